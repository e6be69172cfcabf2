// Prints the one closing line of a CI run from vitest's JSON report.
import { readFileSync } from 'node:fs'

const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
console.log(`${numPassedTests} passed, ${numFailedTests} failed`)
if (numFailedTests > 0 || numPassedTests === 0) process.exit(1)
