/** Texts of the sign-in. The screens themselves are in English. */
export const texts = {
  'sign-in': 'Sign in',
  'sign-in.for': 'Administration of {{host}}',
  'sign-in.address': 'Address or name',
  'sign-in.password': 'Password',
  'sign-in.show': 'Show password',
  'sign-in.hide': 'Hide password',
  'sign-in.code': 'Code of the second factor',
  'sign-in.code.hint': 'Six digits, from your authenticator app',
  'sign-in.wrong': 'Address and password do not fit.',
  'sign-in.ended': 'Your login has ended.',
  'sign-in.offline': 'The server cannot be reached.',
  'theme.toggle': 'Light or dark',
}

export const german: typeof texts = {
  'sign-in': 'Anmelden',
  'sign-in.for': 'Verwaltung von {{host}}',
  'sign-in.address': 'Adresse oder Name',
  'sign-in.password': 'Passwort',
  'sign-in.show': 'Passwort zeigen',
  'sign-in.hide': 'Passwort verbergen',
  'sign-in.code': 'Code des zweiten Faktors',
  'sign-in.code.hint': 'Sechs Ziffern aus Ihrer Authenticator-App',
  'sign-in.wrong': 'Adresse und Passwort passen nicht zusammen.',
  'sign-in.ended': 'Ihre Anmeldung ist beendet.',
  'sign-in.offline': 'Der Server ist nicht erreichbar.',
  'theme.toggle': 'Hell oder dunkel',
}
