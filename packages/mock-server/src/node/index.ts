export { runMockCommand } from './command.js'
