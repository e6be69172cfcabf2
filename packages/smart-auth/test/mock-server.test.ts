import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setupServer } from 'msw/node'
import { exportPKCS8, generateKeyPair, exportJWK } from 'jose'
import ky from 'ky'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import {
  appStoreReceipt,
  backendServices,
  clientCredentials,
  createClientKey,
  discover,
  dynamicClient,
  memoryCredentialStore,
  type Fetch,
} from '@fhir-outbox/smart-auth'
import { fileCredentialStore } from '@fhir-outbox/smart-auth/node'
import { failure } from './support/fake-fetch.js'
