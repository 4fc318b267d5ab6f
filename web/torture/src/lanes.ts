/** Does all of `work`, so many at a time, in order of arrival. */
export async function lanes<T>(count: number, work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const lane = async () => {
    for (let n = next++; n < work.length; n = next++) results[n] = await work[n]!()
  }
  await Promise.all(Array.from({ length: count }, lane))
  return results
}
