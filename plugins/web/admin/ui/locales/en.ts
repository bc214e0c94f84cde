/** English texts whose keys are names. All others are their own keys. */
import { shared } from '../../../app/ui/locales/en.ts'

export const texts = {
  ...shared,
  'sign-in.for': 'Administration of {{host}}',
}
