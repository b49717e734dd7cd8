// blockIO as files of v1's blkio and v2's io: Documentation/admin-guide/cgroup-v1/blkio-controller.rst, cgroup-v2.rst (IO), block/bfq-iosched.rst.
import type { BlockIo, BlockIoRate } from '../../model/oci-spec.ts'
import { type CgroupWrite, given } from './cgroup-writes.ts'

/** Weights are bfq's, since Linux 5.0; before, cfq had files of other names. A leaf's weight only cfq ever had. */
export const blkioWrites = (blockIO: BlockIo = {}): CgroupWrite[] => {
  const { weight, leafWeight, weightDevice = [] } = blockIO
  const either = (name: string, value: string): CgroupWrite => ({
    file: `blkio.bfq.${name}`,
    value,
    otherwise: { file: `blkio.${name}`, value },
  })
  return [
    ...present(weight, (value) => either('weight', String(value))),
    ...present(leafWeight, (value) => ({ file: 'blkio.leaf_weight', value: String(value) })),
    ...weightDevice.flatMap(({ major, minor, ...own }) => [
      ...present(own.weight, (value) => either('weight_device', `${major}:${minor} ${value}`)),
      ...present(own.leafWeight, (value) => ({
        file: 'blkio.leaf_weight_device',
        value: `${major}:${minor} ${value}`,
      })),
    ]),
    ...rates(blockIO, (name, { major, minor, rate }) => ({
      file: `blkio.throttle.${V1_NAMES[name]}`,
      value: `${major}:${minor} ${rate}`,
    })),
  ]
}

/** v2 has weights of bfq, or of the io controller itself, which counts otherwise. */
export const ioWrites = (blockIO: BlockIo = {}): CgroupWrite[] => {
  const { weight, weightDevice = [] } = blockIO
  const either = (device: string, value: number): CgroupWrite => ({
    file: 'io.bfq.weight',
    value: `${device}${value}`,
    otherwise: { file: 'io.weight', value: `${device}${ioWeight(value)}` },
  })
  return [
    ...present(weight, (value) => either('', value)),
    ...weightDevice.flatMap(({ major, minor, weight: own }) =>
      present(own, (value) => either(`${major}:${minor} `, value)),
    ),
    ...rates(blockIO, (name, { major, minor, rate }) => ({
      file: 'io.max',
      value: `${major}:${minor} ${V2_NAMES[name]}=${rate}`,
    })),
  ]
}

/** 10…1000 to 1…10000 on a straight line, as runc has it (cgroups, ConvertBlkIOToIOWeightValue). */
export const ioWeight = (weight: number): number => 1 + Math.floor((Math.max(weight - 10, 0) * 9999) / 990)

type RateName = Extract<keyof BlockIo, `throttle${string}`>
const V1_NAMES: Readonly<Record<RateName, string>> = {
  throttleReadBpsDevice: 'read_bps_device',
  throttleWriteBpsDevice: 'write_bps_device',
  throttleReadIOPSDevice: 'read_iops_device',
  throttleWriteIOPSDevice: 'write_iops_device',
}
const V2_NAMES: Readonly<Record<RateName, string>> = {
  throttleReadBpsDevice: 'rbps',
  throttleWriteBpsDevice: 'wbps',
  throttleReadIOPSDevice: 'riops',
  throttleWriteIOPSDevice: 'wiops',
}

const rates = (blockIO: BlockIo, write: (name: RateName, rate: BlockIoRate) => CgroupWrite): CgroupWrite[] =>
  (Object.keys(V1_NAMES) as RateName[]).flatMap((name) =>
    (blockIO[name] ?? []).map((rate) => write(name, rate)),
  )

const present = (
  value: number | undefined,
  write: (value: number) => CgroupWrite,
): readonly CgroupWrite[] => {
  const number = given(value)
  return number === undefined ? [] : [write(number)]
}
