import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'lossless-json'
import * as v from 'valibot'
import { AgentError } from '../agent-error.js'
import { systemWords } from '../system-words.js'
import { configSchema, type AuthConfig, type ConfigFile, type SealingConfig } from './schema.js'

/** Reads a config file. Rejects with `ERR_BAD_CONFIG` that names the file and what is wrong in it. */
export async function readConfig(path: string): Promise<ConfigFile> {
  const value = parsed(path, await textOf(path))
  const result = v.safeParse(configSchema, value)
  if (!result.success) {
    throw badConfig(
      `The config file ${path} is wrong: ${whatIsWrong(result.issues[0])}.`,
      'The README of @fhir-outbox/node-agent lists every setting.',
    )
  }
  return absolutePaths(result.output, dirname(path))
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw badConfig(
      `The config file ${path} cannot be read: ${systemWords(cause)}.`,
      'Check the path given by --config or FHIR_OUTBOX_CONFIG.',
      cause,
    )
  }
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw badConfig(
      `The config file ${path} is not JSON: syntax error${placeOfError(text)}.`,
      'JSON has no comments, no comma after the last member, and double quotes only.',
      cause,
    )
  }
}

/** Where it is; what stands there may be a secret. Node's own parser does not always tell. */
function placeOfError(text: string): string {
  try {
    parse(text)
    return ''
  } catch (error) {
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    return position === undefined ? '' : ` in line ${text.slice(0, Number(position)).split('\n').length}`
  }
}

/** Names the setting and what it takes; what was given instead may be a secret. */
function whatIsWrong(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue)
  const name = place === null ? 'it' : `"${place}"`
  if (issue.expected === 'never') return `there is no setting ${name}`
  if (issue.received === 'undefined') return `${name} is missing`
  if (issue.type === 'non_empty') return `${name} must not be empty`
  // A pattern or a check says nothing to a person; its message does.
  if (issue.expected === null || issue.type === 'regex') return `${name} must be ${issue.message}`
  return `${name} must be ${kindWords(issue.expected)}`
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  boolean: 'true, false',
  Array: 'a list',
  Object: 'an object',
}

/** A type as valibot spells it, such as `("a" | "b")`, in words. */
function kindWords(expected: string): string {
  return expected
    .replace(/^\((.*)\)$/, '$1')
    .split(' | ')
    .map((kind) => kinds[kind] ?? kind)
    .join(', ')
    .replace(/, ([^,]+)$/, ' or $1')
}

/** Paths in a config file are relative to that file. */
function absolutePaths(file: ConfigFile, base: string): ConfigFile {
  const auth = (config: AuthConfig): AuthConfig => {
    switch (config.type) {
      case 'client-credentials':
        return config.clientSecretFile === undefined
          ? config
          : { ...config, clientSecretFile: resolve(base, config.clientSecretFile) }
      case 'backend-services':
        return { ...config, keyFile: resolve(base, config.keyFile) }
      case 'receipt':
        return {
          ...config,
          receiptFile: resolve(base, config.receiptFile),
          ...(config.antispamFile === undefined ? {} : { antispamFile: resolve(base, config.antispamFile) }),
        }
      default:
        return config
    }
  }
  return {
    ...file,
    ...(file.directory === undefined ? {} : { directory: resolve(base, file.directory) }),
    ...(file.auth === undefined ? {} : { auth: auth(file.auth) }),
    ...(file.encryption === undefined
      ? {}
      : {
          encryption: {
            ...file.encryption,
            certificate: resolve(base, file.encryption.certificate),
            ...(file.encryption.auth === undefined ? {} : { auth: auth(file.encryption.auth) }),
          },
        }),
    ...(file.sealing === undefined ? {} : { sealing: sealing(file.sealing, base) }),
  }
}

function sealing({ older, ...current }: SealingConfig, base: string): SealingConfig {
  const key = ({ keyId, keyFile }: { readonly keyId: string; readonly keyFile: string }) => ({
    keyId,
    keyFile: resolve(base, keyFile),
  })
  return { ...key(current), ...(older === undefined ? {} : { older: older.map(key) }) }
}

function badConfig(message: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('ERR_BAD_CONFIG', message, { hint, ...(cause === undefined ? {} : { cause }) })
}
