/**
 * The styles and the root that the apps share. An app imports this file before its own styles, which build on these.
 */
import { type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './tokens.css'
import './kit.css'
import './login.css'

export function mount(app: ReactNode): void {
  const place = document.getElementById('app')
  if (place) createRoot(place).render(<StrictMode>{app}</StrictMode>)
}
