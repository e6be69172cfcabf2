import { figuresOfPage } from '../browser.js'
import { print } from '../report.js'

/** The page does the work. */
const json = process.argv.includes('--json')
print(await figuresOfPage(process.argv.includes('--quick') ? 1 : 5), json)
