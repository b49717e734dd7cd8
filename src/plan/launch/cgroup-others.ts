// The controllers few ask for: huge pages, network classes and priorities (v1), RDMA; and files of v2 by their own name.
import type { LinuxResources } from '../../model/oci-spec.ts'
import { type CgroupWrite, writes } from './cgroup-writes.ts'

/** Reservations count where the kernel has them (Linux 5.7), and pages in any case. config-linux.md, Huge page limits. */
const hugetlbWrites =
  (end: string) =>
  ({ hugepageLimits = [] }: LinuxResources): CgroupWrite[] =>
    hugepageLimits.flatMap(({ pageSize, limit }) =>
      writes([
        [`hugetlb.${pageSize}.${end}`, limit],
        [`hugetlb.${pageSize}.rsvd.${end}`, limit, true],
      ]),
    )

const rdmaWrites = ({ rdma = {} }: LinuxResources): CgroupWrite[] =>
  Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) => ({
    file: 'rdma.max',
    value: [
      device,
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ].join(' '),
  }))

type Writes = (resources: LinuxResources) => CgroupWrite[]

/** By controller. */
export const OTHERS_V1: Readonly<Record<string, Writes>> = {
  hugetlb: hugetlbWrites('limit_in_bytes'),
  rdma: rdmaWrites,
  net_cls: ({ network }) => writes([['net_cls.classid', network?.classID]]),
  net_prio: ({ network }) =>
    (network?.priorities ?? []).map(({ name, priority }) => ({
      file: 'net_prio.ifpriomap',
      value: `${name} ${priority}`,
    })),
}
export const OTHERS_V2: Readonly<Record<string, Writes>> = { hugetlb: hugetlbWrites('max'), rdma: rdmaWrites }

/** Of v2, each line by itself: io.max and its like take one at a time. */
export const unifiedWrites = ({ unified = {} }: LinuxResources): CgroupWrite[] =>
  Object.entries(unified).flatMap(([file, text]) =>
    text
      .split('\n')
      .filter((line, index) => line !== '' || index === 0)
      .map((value) => ({ file, value })),
  )

/** The controllers a document's v2 files belong to; those of the group itself belong to none. */
export const unifiedControllers = ({ unified = {} }: LinuxResources): readonly string[] => [
  ...new Set(
    Object.keys(unified)
      .map((file) => file.split('.')[0] ?? '')
      .filter((name) => name !== 'cgroup'),
  ),
]
