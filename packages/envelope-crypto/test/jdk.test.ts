import {
  createOpener,
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import type { Envelope } from '@fhir-outbox/envelope-crypto'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { text, utf8 } from './support.js'

const found = spawnSync('java', ['-version'])
const missing = found.error !== undefined || found.status !== 0
if (missing) console.warn('SKIPPED: exchange with the ciphers of the JDK, because java is not installed.')

/** The cipher names and parameters that C3-PRO's server and consumer are configured with. */
const program = `
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import java.util.Base64;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.SecretKey;
import javax.crypto.spec.*;

public class Exchange {
  static final String RSA = "RSA/ECB/OAEPWithSHA1AndMGF1Padding";
  static final String AES = "AES/CBC/PKCS5Padding";

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[1]);
    KeyFactory keys = KeyFactory.getInstance("RSA");
    Cipher rsa = Cipher.getInstance(RSA);
    Cipher aes = Cipher.getInstance(AES);
    IvParameterSpec zeros = new IvParameterSpec(new byte[16]);
    if (args[0].equals("open")) {
      rsa.init(Cipher.DECRYPT_MODE, keys.generatePrivate(new PKCS8EncodedKeySpec(read(folder, "private"))));
      SecretKeySpec key = new SecretKeySpec(rsa.doFinal(read(folder, "symmetric_key")), "AES");
      aes.init(Cipher.DECRYPT_MODE, key, zeros);
      System.out.print(Base64.getEncoder().encodeToString(aes.doFinal(read(folder, "message"))));
    } else {
      KeyGenerator generator = KeyGenerator.getInstance("AES");
      generator.init(128);
      SecretKey key = generator.generateKey();
      rsa.init(Cipher.ENCRYPT_MODE, keys.generatePublic(new X509EncodedKeySpec(read(folder, "public"))));
      aes.init(Cipher.ENCRYPT_MODE, key, zeros);
      System.out.println(Base64.getEncoder().encodeToString(rsa.doFinal(key.getEncoded())));
      System.out.println(Base64.getEncoder().encodeToString(aes.doFinal("sealed by the JDK: \\u00fc".getBytes(StandardCharsets.UTF_8))));
    }
  }

  static byte[] read(Path folder, String name) throws Exception {
    return Base64.getDecoder().decode(Files.readString(folder.resolve(name)).trim());
  }
}
`

describe.skipIf(missing)('exchange with the ciphers of the JDK', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'envelope-crypto-jdk-'))
    await writeFile(join(folder, 'Exchange.java'), program)
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
  })

  function java(action: 'open' | 'seal'): string {
    // Quick to start rather than quick to run.
    const flags = [
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      join(folder, 'Exchange.java'),
      action,
      folder,
    ]
    const { status, stdout, stderr } = spawnSync('java', flags, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`java failed: ${stderr}`)
    return stdout
  }

  it('both ways', async () => {
    const { keyId, certificatePem, privateKeyPkcs8Pem } = await generateRecipient({
      suite: 'c3-pro',
      bits: 2048,
    })
    const recipient = await importRecipient(certificatePem, { keyId })
    const envelope: Envelope = await createSealer({ suite: 'c3-pro', recipient }).seal(utf8('sealed here: ü'))
    const files = {
      private: privateKeyPkcs8Pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''),
      public: Buffer.from(recipient.spki).toString('base64'),
      symmetric_key: envelope.symmetric_key,
      message: envelope.message,
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
    expect(Buffer.from(java('open'), 'base64').toString('utf8')).toBe('sealed here: ü')

    const [symmetric_key, message] = java('seal').split('\n')
    const opener = createOpener({ keys: keyRing([await importOpeningKey(privateKeyPkcs8Pem, { keyId })]) })
    expect(text(await opener.open({ key_id: keyId, symmetric_key, message, version: '1.0.2' }))).toBe(
      'sealed by the JDK: ü',
    )
  })
})
