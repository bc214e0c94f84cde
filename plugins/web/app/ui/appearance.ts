/**
 * Light or dark, and how close the rows are: the system's choice until the person makes one.
 */
export type Theme = 'system' | 'light' | 'dark'
export type Density = 'comfortable' | 'compact'

const THEME = 'iems-theme'
const DENSITY = 'iems-density'

export function startAppearance(): void {
  setTheme((localStorage.getItem(THEME) as Theme | null) ?? 'system')
  setDensity((localStorage.getItem(DENSITY) as Density | null) ?? 'comfortable')
}

export const theme = (): Theme => (document.documentElement.dataset.theme as Theme | undefined) ?? 'system'
export const density = (): Density => (document.documentElement.dataset.density as Density | undefined) ?? 'comfortable'

export function setTheme(chosen: Theme): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
  localStorage.setItem(THEME, chosen)
  dispatchEvent(new Event('iems-theme'))
}

export function setDensity(chosen: Density): void {
  if (chosen === 'comfortable') delete document.documentElement.dataset.density
  else document.documentElement.dataset.density = chosen
  localStorage.setItem(DENSITY, chosen)
}

export const isDark = (): boolean =>
  theme() === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme() === 'dark'
