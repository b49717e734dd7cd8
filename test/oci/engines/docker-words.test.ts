// The same command lines to docker and to slipway, over the same images: the same output, and the same exit code.
import { writeFileSync } from 'node:fs'
import { assert } from '../../support/suite.ts'
import { besideDocker } from './beside-docker.ts'
import { said } from './common.ts'
import { pause, type Ran } from './stage.ts'

const { test, fact, at, docker, slipway, same, sameCode } = besideDocker('docker-words', async () => {
  for (const [name, ...changes] of IMAGES) {
    const flags = changes.flatMap((change) => ['-c', change])
    said(docker('import', '-m', `made as ${name}`, ...flags, at('rootfs.tar'), name))
    said(docker('save', '-o', at('image.tar'), name))
    said(slipway('load', '-i', at('image.tar')))
    // Docker's list counts whole seconds.
    await pause(1100)
  }
  writeFileSync(at('no.tar'), 'no tar at all')
})

/** From the oldest to the newest, with lines of a Dockerfile. */
const IMAGES: readonly (readonly [string, ...string[]])[] = [
  ['base:1', 'ENV PATH=/bin A=b', 'CMD ["sh","-c","echo hi"]', 'LABEL x=y z="two words"'],
  ['me/app:1', 'EXPOSE 80 443/udp', 'VOLUME /data', 'LABEL x=other', 'USER 7', 'WORKDIR /srv'],
  ['me/app:2', 'ENTRYPOINT ["/a","b c"]', 'ONBUILD RUN x', 'HEALTHCHECK --interval=3s CMD true'],
]

const NAMES = IMAGES.map(([name]) => name)

const ROW = '{{.Repository}}:{{.Tag}} {{.ID}} {{.CreatedAt}}'
fact('images lists the same lines in the same order, by every condition', () => {
  same('images', '--format', ROW)
  same('image', 'ls', '--no-trunc', '--format', ROW)
  same('images', '--format', 'table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}')
  same('images', '--format', 'table {{.ID}}')
  same('images', '--format', 'table {{truncate .ID 6}}\\t{{json .Tag}}\\t{{upper .Repository}}')
  same('images', '-q', '--no-trunc')
  for (const filter of [
    ...['label=x', 'label=x=y', 'label=nope', 'reference=me/*', 'reference=*:1', 'reference=base'],
    ...[
      'before=me/app:1',
      'since=me/app:1',
      'since=base',
      'since=base:1',
      'dangling=true',
      'dangling=false',
      'before=me/app:2',
    ],
  ])
    same('images', '-f', filter, '--format', ROW)
  same('images', '-f', 'reference=base', '-f', 'reference=me/app:2', '--format', ROW)
  same('images', '-f', 'label=x', '-f', 'label=z', '--format', ROW)
  for (const name of ['base', 'base:1', 'base:nope', 'me/app', 'me/*', 'nope'])
    same('images', '--format', ROW, name)
})

const TEMPLATES = [
  ...['{{.Id}}', '{{.RepoTags}}', '{{index .RepoTags 0}}', '{{.Os}}/{{.Architecture}}', '{{.Comment}}'],
  ...['{{.Created}}', '{{json .RootFS}}', '{{len .RootFS.Layers}}', '{{index .RootFS.Layers 0}}'],
  ...[
    '{{.Config.Env}}',
    '{{json .Config.Env}}',
    '{{.Config.Cmd}}',
    '{{json .Config.Cmd}}',
    '{{.Config.User}}',
  ],
  ...[
    '{{.Config.Entrypoint}}',
    '{{json .Config.Entrypoint}}',
    '{{.Config.OnBuild}}',
    '{{.Config.WorkingDir}}',
  ],
  ...['{{.Config.Labels}}', '{{json .Config.Labels}}', '{{.Config.Labels.x}}', '{{.Config.Labels.nope}}'],
  ...['{{index .Config.Labels "x"}}', '[{{index .Config.Labels "nope"}}]', '{{.Config.ExposedPorts}}'],
  ...['{{json .Config.ExposedPorts}}', '{{.Config.Volumes}}', '{{.Config.StopSignal}}'],
  '{{range .Config.Env}}{{println .}}{{end}}',
  '{{range $i, $e := .Config.Env}}{{$i}}={{$e}} {{end}}',
  '{{range $p, $c := .Config.ExposedPorts}}{{$p}} {{end}}',
  '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{"\\n"}}{{end}}',
  '{{range .Config.Entrypoint}}{{.}},{{else}}none{{end}}',
  '{{if .Config.Entrypoint}}e{{else if .Config.Cmd}}c{{end}}',
  '{{with .Config}}{{.User}}{{$.Os}}{{end}}',
  '{{join .Config.Env ","}}',
  '{{.ID}} {{json .ID}}',
  '{{split .Id ":"}} {{index (split .Id ":") 1}}',
  '{{truncate .Id 12}} {{slice .Id 7 19}} {{pad .Os 2 2}}| {{upper .Os}} {{title .Os}}',
  '{{printf "%s-%v-%q-%10s|%-8s|" .Os .Architecture .Os .Os .Os}}',
  '{{eq .Os "linux" "x"}} {{ne .Os "x"}} {{not .Comment}} {{and .Os .Author}} {{or .Author .Os}}',
  '{{$x := .Os}}{{$x}} {{- " y" }} {{/* nothing */}}z',
  '{{html "<a&\'>"}} {{urlquery "a b/c"}} {{print 1 2 "x"}} {{1.5}} {{true}}',
  '{{define "t"}}<{{.}}>{{end}}{{template "t" .Os}}',
  'table {{.Os}}\\t{{.Os}}\\n',
]
const isOverJson = (template: string): boolean => /\.Id\b|^table/.test(template)

fact('inspect makes the same of a template', () => {
  // Docker does not know .Id of its own struct: such a template is tried again over the JSON, where other rules hold.
  const [alone, together] = [TEMPLATES.filter(isOverJson), TEMPLATES.filter((each) => !isOverJson(each))]
  for (let at = 0; at < together.length; at += 8)
    same('image', 'inspect', '-f', together.slice(at, at + 8).join(' ; '), ...NAMES)
  for (const template of alone) same('image', 'inspect', '-f', template, ...NAMES)
  same('inspect', '--type', 'image', '-f', '{{.Id}}', 'base:1', 'me/app:2')
  same('inspect', '-f', '{{.Id}}', 'nope', 'base:1')
})
fact('inspect shows the same configuration', () => {
  for (const [name] of IMAGES) {
    const config = (ran: Ran): Record<string, unknown> => JSON.parse(said(ran))[0].Config
    const [theirs, ours] = [docker('inspect', name), slipway('inspect', name)].map(config)
    for (const [field, value] of Object.entries(theirs ?? {}))
      assert.equal(ours?.[field], value, `${name} ${field}`)
  }
})
fact('history tells the same steps', () => {
  for (const name of NAMES) {
    same('history', '-q', name)
    same('image', 'history', '--no-trunc', '-q', name)
    same('history', '--format', '{{.ID}} {{.CreatedAt}} {{.CreatedBy}}|{{.Comment}}', name)
    same('history', '--format', 'table {{.ID}}\\t{{.Comment}}', name)
  }
})
fact('tag and rmi say the same', () => {
  same('tag', 'base:1', 'more:3')
  same('tag', 'base:1', '127.0.0.1:5000/me/more')
  same('images', '--format', ROW, 'more')
  same('rmi', 'more:3', '127.0.0.1:5000/me/more')
  same('rmi', '-f', 'nope')
  same('rmi', '--no-prune', 'nope')
  same('image', 'prune', '-f')
  same('load', '-q', '-i', at('image.tar'))
})

fact('what is refused is refused with the same code', () => {
  for (const line of [
    ...[
      'tag nope x',
      'tag base:1 UPPER',
      'tag base:1',
      'tag base:1 a b',
      'rmi nope',
      'rmi',
      'save nope',
      'save',
    ],
    ...['inspect nope', 'image inspect nope', 'inspect -f {{.Nope}} base:1', 'inspect --type nope base:1'],
    ...['images -f nope=1', 'images --format {{.Nope}}', 'images --format {{.ID', 'images a b'],
    ...['history nope', 'history', 'history --format {{nope}} base:1', 'image prune -f --filter nope=1'],
    ...[
      'load -i /nope.tar',
      `load -i ${at('no.tar')}`,
      'import /nope.tar',
      'import -c RUN base.tar',
      'import',
    ],
    ...[
      'pull UPPER',
      'pull',
      'push nope/x',
      'push',
      'search',
      'commit nope',
      'diff nope',
      'export nope',
      'rm nope',
    ],
    ...[
      'save -o /nope/x.tar base:1',
      'login -p x --password-stdin',
      'login --password-stdin',
      'image nope',
      'nope',
    ],
    ...[
      'container inspect nope',
      'system df --format {{.Nope}}',
      'system prune -f --filter nope=1',
      'logout a b',
    ],
    ...[
      'container prune -f --filter nope=1',
      'pull -a base:1',
      'push -a nope',
      'image rm nope',
      'image history',
    ],
  ])
    sameCode(...line.split(' '))
})
test.run()
