/**
 * Senders whose remote images are always loaded, by the choice of the person on this device.
 */
const KEPT = 'iems-image-senders'
const MAX_SENDERS = 500

export function imageSenders(): string[] {
  try {
    const all = JSON.parse(localStorage.getItem(KEPT) ?? '[]') as unknown
    return Array.isArray(all) ? all.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}

export const loadsImagesOf = (address: string): boolean => imageSenders().includes(address.toLowerCase())

export function loadImagesOf(address: string): void {
  const others = imageSenders().filter((one) => one !== address.toLowerCase())
  localStorage.setItem(KEPT, JSON.stringify([...others, address.toLowerCase()].slice(-MAX_SENDERS)))
}

export const forgetImageSenders = (): void => localStorage.removeItem(KEPT)
