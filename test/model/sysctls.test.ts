// Which kernel parameters a container may set.
import type { NamespaceType } from '../../src/model/oci-spec.ts'
import { sysctlNamespace, sysctlProblem } from '../../src/model/sysctls.ts'
import { assert, suite } from '../support/suite.ts'

const Sysctls = suite('model/sysctls')

const owned: readonly (readonly [name: string, namespace: NamespaceType | undefined])[] = [
  ['net.ipv4.ip_forward', 'network'],
  ['net.ipv4.conf.eth0.rp_filter', 'network'],
  ['net.core.somaxconn', 'network'],
  ['kernel.shmmax', 'ipc'],
  ['kernel.shm_rmid_forced', 'ipc'],
  ['fs.mqueue.queues_max', 'ipc'],
  ['kernel.domainname', 'uts'],
  ['kernel.hostname', undefined],
  ['kernel.core_pattern', undefined],
  ['kernel.shmmax2', undefined],
  ['vm.overcommit_memory', undefined],
  ['fs.file-max', undefined],
  ['net', undefined],
  ['net.', undefined],
  ['net..ipv4', undefined],
  ['net.ipv4/../../kernel/core_pattern', undefined],
  ['net.ipv4\nkernel', undefined],
  ['', undefined],
]
for (const [name, namespace] of owned) {
  Sysctls(`${JSON.stringify(name)} belongs to ${namespace ?? 'no'} namespace`, () => {
    assert.is(sysctlNamespace(name), namespace)
  })
}

const all = new Set<NamespaceType>(['network', 'ipc', 'uts'])
Sysctls('a parameter of an own namespace can be set, of a shared one not', () => {
  assert.is(sysctlProblem('net.ipv4.ip_forward', all), undefined)
  assert.is(
    sysctlProblem('net.ipv4.ip_forward', new Set()),
    "belongs to the network namespace, which is the host's here",
  )
})
Sysctls('the reason of each refusal is told apart', () => {
  assert.is(sysctlProblem('kernel.hostname', all), 'is set by the hostname')
  assert.is(sysctlProblem('net/ipv4/ip_forward', all), 'is written with dots')
  assert.is(sysctlProblem('vm.swappiness', all), 'belongs to no namespace: it would change the whole host')
})

Sysctls.run()
