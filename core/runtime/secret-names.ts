/**
 * Names of options, fields and parameters whose values may be secret: never printed, logged or shown.
 */
export const SECRET_NAME = /pass(word|phrase)?|secret|token|credential|authorization|cookie|(private|api).?key/i
