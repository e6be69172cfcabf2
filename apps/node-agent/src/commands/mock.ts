import { createMockServer } from '@fhir-outbox/mock-server'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'

export interface MockOptions {
  readonly port: number
  readonly host: string
  readonly tokenSeconds?: number
  readonly open?: boolean
}
