// The machine architectures plans are made for.
export type Arch = 'x64' | 'arm64'
