import { exchangeCompressed, type Compression } from './compression.js'
import type { ExchangeContext } from './exchange.js'
import { prepare, prepareFor, type CallOptions, type FhirRequest, type TimeLimits } from './request.js'
import type { FhirResource, ResourceLike } from './resources.js'
import { toResponse, type Expectation, type FhirResponse } from './response.js'
import { exchangeWithToken, type TokenSource } from './tokens.js'

/** What all interactions of one client share. */
export interface ClientContext extends ExchangeContext {
  readonly tokens: TokenSource | undefined
  readonly limits: TimeLimits
  readonly rebaseLinks: boolean
  readonly compression: Compression
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
}

/** The raw door: one request, its answer judged by status and expectation only. */
export async function call<T extends ResourceLike = FhirResource>(
  context: ClientContext,
  request: FhirRequest,
): Promise<FhirResponse<T>> {
  const prepared = prepare(context.base, context.limits, request)
  const tokens = request.auth === 'none' ? undefined : context.tokens
  const answer = await exchangeCompressed(context.compression, prepared, (one) =>
    exchangeWithToken(context, tokens, one),
  )
  return toResponse(
    answer,
    request.expect ?? 'fhir',
    context.now,
  ) as FhirResponse as unknown as FhirResponse<T>
}

/** What else may be asked of a link. */
interface LinkCall {
  readonly method?: 'GET' | 'DELETE'
  readonly expect?: Expectation
}

/** A request to a link that is known to lead to the server. */
export async function callUrl(
  context: ClientContext,
  url: URL,
  options: CallOptions,
  { method = 'GET', expect = 'fhir' }: LinkCall = {},
): Promise<FhirResponse> {
  const { signal, headers } = options
  const timeoutMs = options.timeoutMs ?? context.limits.timeoutMs
  const prepared = prepareFor(url, method, undefined, { signal, headers, timeoutMs })
  return toResponse(await exchangeWithToken(context, context.tokens, prepared), expect, context.now)
}
