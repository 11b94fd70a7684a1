// Marks of state and icons, drawn on 16 px with currentColor: one inline sprite at the top of every page.
// Constant markup; nothing that comes from outside ever goes in here.

const line = 'fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"';
// Cut out to the ground the mark lies on.
const inner = 'fill="none" stroke="var(--mark-in)" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"';

const drawings = {
  "m-ok": `<circle cx="8" cy="8" r="6.5" fill="currentColor"/><path d="m5.2 8.2 2 2 3.7-4.1" ${inner}/>`,
  "m-run": `<circle cx="8" cy="8" r="5.8" fill="none" stroke="currentColor" stroke-width="1.5" opacity=".4"/><path d="M8 2.2a5.8 5.8 0 0 1 5.8 5.8" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/><circle cx="8" cy="8" r="2" fill="currentColor"/>`,
  "m-degraded": `<path d="M8 1.7a1 1 0 0 1 .87.5l6 10.4a1 1 0 0 1-.87 1.5H2a1 1 0 0 1-.87-1.5l6-10.4A1 1 0 0 1 8 1.7Z" fill="currentColor"/><path d="M8 6v3.4M8 11.7v.1" ${inner}/>`,
  "m-failed": `<path d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3Z" fill="currentColor"/><path d="m5.7 5.7 4.6 4.6m0-4.6-4.6 4.6" ${inner}/>`,
  "m-refused": `<circle cx="8" cy="8" r="6.5" fill="currentColor"/><path d="M4.9 8h6.2" ${inner}/>`,
  "m-stale": `<circle cx="8" cy="8" r="5.9" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="4.6 1.6"/><path d="M8 4.9V8l2.2 1.6" ${line}/>`,
  "m-lost": `<path d="M12.6 4.5A5.9 5.9 0 0 1 4.5 12.6M3.1 11.3A5.9 5.9 0 0 1 11.3 3.1" ${line}/><path d="m2.2 13.8 11.6-11.6" ${line}/>`,
  "m-unknown": `<circle cx="8" cy="8" r="5.9" ${line}/><path d="M6.3 6.4a1.7 1.7 0 1 1 2.5 1.5c-.5.3-.8.6-.8 1.1M8 11.2v.1" ${line}/>`,
  "m-wait": `<circle cx="8" cy="8" r="5.8" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="1.6 2.050" stroke-linecap="round"/>`,
  "m-reading": `<circle cx="8" cy="8" r="5.8" fill="none" stroke="currentColor" stroke-width="1.5" opacity=".4"/><path d="M8 2.2a5.8 5.8 0 0 1 5.8 5.8" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/>`,
  "m-paused": `<circle cx="8" cy="8" r="6.5" fill="currentColor"/><path d="M6.3 5.7v4.6M9.7 5.7v4.6" ${inner}/>`,
  "m-zero": `<circle cx="8" cy="8" r="5.9" ${line}/><circle cx="8" cy="8" r="1" fill="currentColor"/>`,
  "i-agent": `<path d="M8 8.2V14M5 14h6" ${line}/><circle cx="8" cy="6.5" r="1.6" fill="currentColor"/><path d="M4.5 9.7a4.8 4.8 0 0 1 0-6.4m7 0a4.8 4.8 0 0 1 0 6.4" ${line}/>`,
  "i-check": `<path d="m3.3 8.4 3.2 3.2 6.2-7" ${line}/>`,
  "i-chev": `<path d="m6 3.5 4.5 4.5L6 12.5" ${line}/>`,
  "i-clock": `<circle cx="8" cy="8" r="5.8" ${line}/><path d="M8 4.8V8l2.2 1.5" ${line}/>`,
  "i-copy": `<rect x="5.5" y="5.5" width="8" height="8" rx="1.5" ${line}/><path d="M10.5 2.5H4A1.5 1.5 0 0 0 2.5 4v6.5" ${line}/>`,
  "i-down": `<path d="M3.5 6 8 10.5 12.5 6" ${line}/>`,
  "i-fleet": `<rect x="2" y="2.5" width="5" height="4.5" rx="1" ${line}/><rect x="9" y="2.5" width="5" height="4.5" rx="1" ${line}/><rect x="2" y="9" width="5" height="4.5" rx="1" ${line}/><rect x="9" y="9" width="5" height="4.5" rx="1" ${line}/>`,
  "i-image": `<path d="M8.6 2.5H13a.5.5 0 0 1 .5.5v4.4a1 1 0 0 1-.3.7l-5.3 5.3a1 1 0 0 1-1.4 0L2.6 9.5a1 1 0 0 1 0-1.4l5.3-5.3a1 1 0 0 1 .7-.3Z" ${line}/><circle cx="10.7" cy="5.3" r=".9" fill="currentColor"/>`,
  "i-key": `<circle cx="5.3" cy="10.7" r="2.8" ${line}/><path d="m7.5 8.5 5.5-5.5M10.7 5.3l2 2" ${line}/>`,
  "i-link": `<path d="M6.5 9.5a2.8 2.8 0 0 0 4 0l2-2a2.8 2.8 0 0 0-4-4l-.7.7M9.5 6.5a2.8 2.8 0 0 0-4 0l-2 2a2.8 2.8 0 0 0 4 4l.7-.7" ${line}/>`,
  "i-list": `<path d="M2.5 4h11M2.5 8h11M2.5 12h7" ${line}/>`,
  "i-pause": `<path d="M5.5 3.5v9M10.5 3.5v9" ${line}/>`,
  "i-play": `<path d="M4.5 3.2v9.6L12.5 8Z" ${line}/>`,
  "i-plus": `<path d="M8 3v10M3 8h10" ${line}/>`,
  "i-restart": `<path d="M13 3v3.2H9.8" ${line}/><path d="M12.7 6a5.3 5.3 0 1 0 .5 3.4" ${line}/>`,
  "i-scale": `<path d="M2.5 13.5V10m3.7 3.5v-6m3.6 6V5m3.7 8.5v-11" ${line}/>`,
  "i-search": `<circle cx="7" cy="7" r="4.3" ${line}/><path d="m10.3 10.3 3.2 3.2" ${line}/>`,
  "i-sort": `<path d="M8 3v10M4.5 9.5 8 13l3.5-3.5" ${line}/>`,
  "i-undo": `<path d="M5.5 3 2.7 5.8l2.8 2.8" ${line}/><path d="M2.9 5.8h6.3a4 4 0 0 1 0 8H6" ${line}/>`,
  "i-x": `<path d="m4 4 8 8m0-8-8 8" ${line}/>`,
  "i-arrow": `<path d="M2 8h11M9.5 4.5 13 8l-3.5 3.5" ${line}/>`,
} as const;

export type Drawing = keyof typeof drawings;

const logo =
  '<symbol id="logo" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="var(--l-logo)"/><g fill="none" stroke="var(--l-logo-fg)" stroke-linecap="round"><path d="M16.6 5.2c-3.2-.6-5.4 1-5.2 3.5.2 2.6 3.5 2.7 3.3 5.2-.2 2.6-3.6 3.3-5.2 1.9-1.3-1.1-.9-3 .7-3.2" stroke-width="2"/><path d="M11.8 7 9.2 5.7M14.6 12.3l2.7-.9M12.2 10.6l-2.5.7M14 15.9l1.7 2.2" stroke-width="1.5"/></g><circle cx="17" cy="5.5" r="1.7" fill="var(--l-logo-fg)"/></symbol>';

/** The inside of `<defs>`. */
export const sprite =
  logo +
  Object.entries(drawings)
    .map(([id, drawing]) => `<symbol id="${id}" viewBox="0 0 16 16">${drawing}</symbol>`)
    .join("");
