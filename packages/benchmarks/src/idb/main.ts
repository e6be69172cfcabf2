import { figuresOfPage } from '../browser.js'
import { print } from '../report.js'
import { startUploadServer } from './server.js'

/** The page does the work. */
const json = process.argv.includes('--json')
const server = await startUploadServer()
try {
  print(await figuresOfPage(process.argv.includes('--quick') ? 1 : 5, server.url), json)
} finally {
  server.close()
}
