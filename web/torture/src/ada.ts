/** Whom `doorward dev` has an account for. */
export const ada = { email: 'ada@example.com', password: 'analytical-engine-1843' }
