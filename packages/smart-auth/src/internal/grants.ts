import {
  authorizationCodeGrantRequest,
  clientCredentialsGrantRequest,
  genericTokenEndpointRequest,
  refreshTokenGrantRequest,
  type allowInsecureRequests,
  type AuthorizationServer,
  type Client,
  type ClientAuth,
  type customFetch,
  type TokenEndpointRequestOptions,
} from 'oauth4webapi'

type SendOptions = Pick<TokenEndpointRequestOptions, typeof allowInsecureRequests | typeof customFetch>

/** A way to ask for a token. Each is a function of its own, so that an app carries only those it uses. */
export interface Grant {
  /** Whether the scope was settled before; then it is not sent. */
  readonly hasOwnScope: boolean
  readonly send: (
    as: AuthorizationServer,
    client: Client,
    auth: ClientAuth,
    parameters: Readonly<Record<string, string>>,
    options: SendOptions,
  ) => Promise<unknown>
}

/** RFC 6749, section 4.4. */
export function clientCredentialsGrant(): Grant {
  return {
    hasOwnScope: false,
    send: (as, client, auth, parameters, options) =>
      clientCredentialsGrantRequest(as, client, auth, { ...parameters }, options),
  }
}

export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** A client that has registered its own key: the assertion itself is the grant (RFC 7523, section 2.1). */
export function jwtBearerGrant(assertion: () => Promise<string>): Grant {
  return {
    hasOwnScope: false,
    send: async (as, client, auth, parameters, options) =>
      genericTokenEndpointRequest(
        as,
        client,
        auth,
        jwtBearer,
        { ...parameters, assertion: await assertion() },
        options,
      ),
  }
}

/** RFC 6749, section 4.1.3, with the parameters as oauth4webapi has validated them. */
export function codeGrant(callback: URLSearchParams, redirectUri: string, codeVerifier: string): Grant {
  return {
    hasOwnScope: true,
    send: (as, client, auth, _parameters, options) =>
      authorizationCodeGrantRequest(as, client, auth, callback, redirectUri, codeVerifier, options),
  }
}

/** RFC 6749, section 6, for the scope that was granted. */
export function refreshGrant(refreshToken: string): Grant {
  return {
    hasOwnScope: true,
    send: (as, client, auth, parameters, options) =>
      refreshTokenGrantRequest(as, client, auth, refreshToken, {
        ...options,
        additionalParameters: { ...parameters },
      }),
  }
}
