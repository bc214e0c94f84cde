/**
 * Texts of the server in the language of the page.
 */
import { inGerman } from './in-german.ts'

export const fromServer = (text: string): string => (document.documentElement.lang === 'de' ? inGerman(text) : text)
