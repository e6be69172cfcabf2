// Where a Chromium that the browser tests can drive is installed, if anywhere.
import { existsSync } from 'node:fs'

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** @returns {string | undefined} */
export function findChromium() {
  return [process.env['CHROMIUM_PATH'], ...usualPlaces].find((path) => path && existsSync(path))
}
