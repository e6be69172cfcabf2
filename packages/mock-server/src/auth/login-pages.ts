import { escapeHtml, htmlPage } from './html.js'

export function loginPage(login: string, appName: string, problem?: string): string {
  return htmlPage(
    'Log in',
    `<p>The app <strong>${escapeHtml(appName)}</strong> asks for access to health data on this test server.</p>
${problem === undefined ? '' : `<p class="problem" role="alert">${escapeHtml(problem)}</p>`}
<form method="post">
<input type="hidden" name="login" value="${escapeHtml(login)}">
<label>User name <input type="text" name="username" autocomplete="username" required autofocus></label>
<label>Password <input type="password" name="password" autocomplete="current-password" required></label>
<button type="submit">Log in</button>
</form>`,
  )
}

export interface ApprovalView {
  readonly login: string
  readonly appName: string
  readonly username: string
  readonly scopes: readonly string[]
  /** To choose from; empty where there is nothing to choose. */
  readonly patients: readonly { readonly id: string; readonly name: string }[]
  readonly problem?: string
}

const scopeWords: Readonly<Record<string, string>> = {
  openid: 'know who you are',
  fhirUser: 'know your own record',
  profile: 'know your own record',
  offline_access: 'stay connected while you are away',
  online_access: 'stay connected while you are logged in',
  'launch/patient': 'know which patient this is about',
  launch: 'know from where it was started',
}

export function approvalPage({ login, appName, username, scopes, patients, problem }: ApprovalView): string {
  const picker =
    patients.length === 0
      ? ''
      : `<fieldset><legend>Which patient?</legend>
${patients
  .map(
    ({ id, name }) =>
      `<label><input type="radio" name="patient" value="${escapeHtml(id)}" required> ${escapeHtml(name)}</label>`,
  )
  .join('\n')}
</fieldset>`
  const asked = scopes
    .map((scope) => {
      const words = scopeWords[scope]
      return `<label><input type="checkbox" name="scope" value="${escapeHtml(scope)}" checked> <code>${escapeHtml(scope)}</code>${words === undefined ? '' : `: ${words}`}</label>`
    })
    .join('\n')
  return htmlPage(
    'Allow access',
    `<p>You are logged in as <strong>${escapeHtml(username)}</strong>. The app <strong>${escapeHtml(appName)}</strong> asks for access.</p>
${problem === undefined ? '' : `<p class="problem" role="alert">${escapeHtml(problem)}</p>`}
<form method="post">
<input type="hidden" name="login" value="${escapeHtml(login)}">
${picker}
<fieldset><legend>The app may</legend>
${asked}
</fieldset>
<button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny" formnovalidate>Deny</button>
</form>`,
  )
}

export function problemPage(text: string): string {
  return htmlPage('This did not work', `<p class="problem" role="alert">${escapeHtml(text)}</p>`)
}
