import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App.tsx'
import './demo.css'
import { install } from './world.ts'

install()
const root = document.getElementById('demo')!
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
