import { utf8 } from './support.js'

export interface Vector {
  readonly name: string
  readonly key: Uint8Array<ArrayBuffer>
  readonly plaintext: string
  readonly ciphertext: string
  /** More than one block: the only ones that can tell CBC from ECB under an IV of zeros. */
  readonly twoBlocks: boolean
}

const key128 = utf8('why-is-this-here')
const key256 = Uint8Array.from({ length: 32 }, (_, index) => index)
const patient = '{"resourceType":"Patient"}'

/** AES-CBC, PKCS#7, IV of zeros. The first is C3-PRO's own; the others were made with OpenSSL. */
export const vectors: readonly Vector[] = [
  {
    name: '1',
    key: key128,
    plaintext: "Let's encrypt!",
    ciphertext: 'Iy8Mbj2ye1fI0yUWvyzwWw==',
    twoBlocks: false,
  },
  {
    name: '2',
    key: key128,
    plaintext: patient,
    ciphertext: 'VFF7UTkRoOK3OqWbiRCceG1F+SDrLAw2ls5fE1NB3Xc=',
    twoBlocks: true,
  },
  {
    name: '3',
    key: key256,
    plaintext: patient,
    ciphertext: 'jnb1eT1yOHdUWnfEqwmJ4Jw7z0Vxjxkj7/rc9SqJnrs=',
    twoBlocks: true,
  },
  {
    name: '4',
    key: key256,
    plaintext: "Let's encrypt!",
    ciphertext: 'WlOX0zwAT+QDoAkr95DBXw==',
    twoBlocks: false,
  },
  {
    name: '5',
    key: key256,
    plaintext: '0123456789abcdef',
    ciphertext: '2MlXWOM1PlMPpSvRDnO5hk9rowIiB0xNR3w/KU8SqC8=',
    twoBlocks: true,
  },
  { name: '6', key: key256, plaintext: '', ciphertext: 'nzt1BJJvi9NuMRjpA6TNSg==', twoBlocks: false },
]
