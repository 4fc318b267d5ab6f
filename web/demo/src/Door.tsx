/** The sign of the house: a door that stands ajar. */
export function Door() {
  return (
    <svg className="door" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path className="frame" d="M5 29V5a2 2 0 0 1 2-2h18a2 2 0 0 1 2 2v24" />
      <path className="leaf" d="M9 28V6.2l11 3.4v21.6L9 28Z" />
      <circle className="knob" cx="17" cy="20" r="1.4" />
    </svg>
  )
}
