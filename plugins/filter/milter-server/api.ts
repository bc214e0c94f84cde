/** The difference of two headers, for other protocols that change messages field by field. */
export { type HeaderChanges, headerChanges } from './actions.ts'
