// The unit by which systemd starts containers at boot: systemd.service(5). Pure.

export interface UnitChoices {
  /** The words that start this program. */
  readonly program: readonly string[]
  /** Another root than the default. */
  readonly root?: string
}

/** systemd.service(5), Command lines: words are quoted, `%` and `$` are doubled. */
const word = (text: string): string => {
  const plain = text.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w./:=%$@+-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, '\\$&')}"`
}

/** Its monitors are no processes of the unit: they outlive it by their own groups. */
export const unitText = ({ program, root }: UnitChoices): string =>
  [
    '[Unit]',
    'Description=Containers of slipway that are to run',
    'After=network-online.target local-fs.target',
    'Wants=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    'KillMode=process',
    ...(root === undefined ? [] : [`Environment=${word(`SLIPWAY_ROOT=${root}`)}`]),
    `ExecStart=${[...program, 'system', 'start'].map(word).join(' ')}`,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
