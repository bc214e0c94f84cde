/**
 * Comparison of header text.
 */

/** i;unicode-casemap (RFC 5051) as SORT puts text in order. */
export const collate = (text: string) => (ASCII.test(text) ? text : text.normalize('NFKD')).toUpperCase()

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII starts there
const ASCII = /^[\x00-\x7f]*$/

/** For searches: ignores case and compatibility forms. */
export const fold = (text: string) => text.normalize('NFKC').toLowerCase()
