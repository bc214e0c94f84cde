/** Texts in German of the parts that all applications have: the login and the switch of the theme. */
export const shared = {
  'sign-in': 'Anmelden',
  'sign-in.address': 'Adresse oder Name',
  'sign-in.password': 'Passwort',
  'sign-in.show': 'Passwort zeigen',
  'sign-in.hide': 'Passwort verbergen',
  'sign-in.code': 'Code des zweiten Faktors',
  'sign-in.code.hint': 'Sechs Ziffern aus Ihrer Authenticator-App',
  'sign-in.passkey': 'Mit Passkey anmelden',
  'sign-in.wrong': 'Adresse und Passwort passen nicht zusammen.',
  'sign-in.ended': 'Ihre Anmeldung ist beendet.',
  'sign-in.offline': 'Der Server ist nicht erreichbar.',
  'theme.toggle': 'Hell oder dunkel',
}
