/**
 * The language of the page: the account's, before a login the person's choice in this browser, else the browser's own.
 * English is the fallback of every text.
 */
import i18next from 'i18next'
import { ask } from './ask.ts'
import { startServerTexts } from './from-server.ts'

export const LANGUAGES = [
  ['en', 'English'],
  ['de', 'Deutsch'],
] as const
export type Language = (typeof LANGUAGES)[number][0]

const KEPT = 'iems-language'
export type Catalogue = Readonly<Record<string, string>>

const isKnown = (code: string | null | undefined): code is Language => LANGUAGES.some(([known]) => known === code)

function chosenLanguage(): Language {
  const kept = localStorage.getItem(KEPT)
  if (isKnown(kept)) return kept
  return navigator.languages.map((one) => one.slice(0, 2)).find(isKnown) ?? 'en'
}

/**
 * Takes the texts of an application; further languages come when they are chosen. The result follows the account: to
 * be called after a login, before its pages are shown.
 */
export async function startLanguage(
  load: Readonly<Record<Language, () => Promise<Catalogue>>>,
): Promise<() => Promise<void>> {
  const language = chosenLanguage()
  const [fallback, chosen] = await Promise.all([load.en(), load[language](), startServerTexts(language)])
  await i18next.init({
    lng: language,
    fallbackLng: 'en',
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    resources: { en: { translation: fallback }, [language]: { translation: chosen } },
  })
  showLanguage()
  return async () => {
    const { language: wanted } = await accountLanguage().catch(() => ({ language: null }))
    if (!isKnown(wanted) || wanted === i18next.language) return
    const [texts] = await Promise.all([load[wanted](), startServerTexts(wanted)])
    i18next.addResourceBundle(wanted, 'translation', texts)
    await i18next.changeLanguage(wanted)
    showLanguage()
  }
}

function showLanguage(): void {
  document.documentElement.lang = i18next.language
  document.documentElement.dir = i18next.dir()
}

/** Null: automatic. `isKept`: the server keeps a choice; otherwise this browser does. */
export const accountLanguage = () =>
  ask<{ readonly language: string | null; readonly isKept: boolean }>('GET', '/api/login/language')

/** In this browser alone, before a login; undefined for the browser's own. It holds from the next load of the page. */
export function chooseLanguage(language: Language | undefined): void {
  if (language === undefined) localStorage.removeItem(KEPT)
  else localStorage.setItem(KEPT, language)
  location.reload()
}

/** With the account, and so in every browser; undefined for that of the browser. */
export async function setAccountLanguage(language: Language | undefined): Promise<void> {
  if ((await accountLanguage()).isKept) await ask('PUT', '/api/login/language', { language: language ?? null })
  chooseLanguage(language)
}

/** The languages, as entries of a menu. */
export const languageEntries = () =>
  LANGUAGES.map(([code, name], index) => ({
    id: code,
    label: name,
    checked: language() === code,
    isFirstOfGroup: index === 0,
    run: () => void setAccountLanguage(code),
  }))

export const t = (key: string, values?: Readonly<Record<string, unknown>>): string =>
  values === undefined ? i18next.t(key) : i18next.t(key, values)

export const language = (): string => i18next.language

/** The language with the region that the browser names for it: how times and numbers are written. */
export const locale = (): string => navigator.languages.find((one) => one.startsWith(language())) ?? language()
