/** Texts in English of the parts that all applications have: the login and the switch of the theme. */
export const shared = {
  'sign-in': 'Sign in',
  'sign-in.address': 'Address or name',
  'sign-in.password': 'Password',
  'sign-in.show': 'Show password',
  'sign-in.hide': 'Hide password',
  'sign-in.code': 'Code of the second factor',
  'sign-in.code.hint': 'Six digits, from your authenticator app',
  'sign-in.passkey': 'Sign in with a passkey',
  'sign-in.wrong': 'Address and password do not fit.',
  'sign-in.ended': 'Your login has ended.',
  'sign-in.offline': 'The server cannot be reached.',
  'theme.toggle': 'Light or dark',
}
