/** How long to wait for another tab, in milliseconds. Its holder may be frozen. */
const patience = 1000

/** How long a message of the tab that held the lock may take to arrive. */
const lag = 20

/**
 * Runs `work` while no other tab does. The lock only saves work: nothing is
 * wrong if two tabs renew at once, so it is not waited for longer than a
 * second, and not having it is no reason to give up.
 */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  let began = false
  const begin = (): Promise<T> => {
    began = true
    return work()
  }
  const giveUp = new AbortController()
  // Those who wait for a frozen tab do not all set out in the same moment.
  const timer = setTimeout(() => giveUp.abort(), patience * (1 - Math.random() / 3))
  try {
    const { locks } = navigator
    const free = await locks.request(name, { ifAvailable: true }, async (lock) => lock && { result: await begin() })
    if (free) return free.result
    return await locks.request(name, { signal: giveUp.signal }, async () => {
      clearTimeout(timer)
      await new Promise((resolve) => setTimeout(resolve, lag))
      return begin()
    })
  } catch (error) {
    if (began) throw error
    return begin() // no locks here, none allowed, or somebody sits on it
  } finally {
    clearTimeout(timer)
  }
}
