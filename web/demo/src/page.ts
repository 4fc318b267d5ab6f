/** What the server has written into the page. */
const {
  email = '',
  password = '',
  version = '',
  why = 'doorward why',
} = document.getElementById('demo')!.dataset

export const page = { email, password, version, why }
