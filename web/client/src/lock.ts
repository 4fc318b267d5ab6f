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
  const giveUp = new AbortController()
  // Those who wait for a frozen tab do not all set out in the same moment.
  const timer = setTimeout(() => giveUp.abort(), patience * (1 - Math.random() / 3))
  try {
    const asked = performance.now()
    return await navigator.locks.request(name, { signal: giveUp.signal }, async () => {
      began = true
      clearTimeout(timer)
      if (performance.now() - asked > lag) await new Promise((resolve) => setTimeout(resolve, lag))
      return work()
    })
  } catch (error) {
    if (began) throw error
    return work() // no locks here, none allowed, or somebody sits on it
  } finally {
    clearTimeout(timer)
  }
}
