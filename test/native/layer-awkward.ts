// Shell scripts that make a tree no archive format finds easy.

const LONG = 'long-name-'.repeat(20)
/** Every kind of node and every awkward property the formats can carry. */
export const TREE = `
mkdir -p plain/deep/er setgid sticky '${LONG}/${LONG}' links dev empty
echo hello > plain/file; : > plain/empty; printf 'a\\nb' > "plain/with space"; echo x > "$(printf 'plain/caf\\303\\251')"
head -c 3000000 /dev/urandom > plain/deep/big; head -c 512 /dev/urandom > plain/block; head -c 513 /dev/urandom > plain/block1
echo deep > '${LONG}/${LONG}/${LONG}'
chmod 2775 setgid; chmod 1777 sticky; echo g > setgid/f
echo s > plain/setuid; chown 1000:2000 plain/setuid; chmod 6755 plain/setuid
echo n > plain/none; chmod 0 plain/none; echo o > plain/owned; chown 3000000:2999999 plain/owned
ln plain/file links/hard; ln plain/file links/hard2; ln -s ../plain/file links/soft; ln -s /etc/passwd links/absolute
ln -s '${LONG}${LONG}' links/long; ln -s nowhere links/dangling; chown -h 5:6 links/dangling; ln links/soft links/hard-to-soft
mknod dev/null c 1 3; mknod dev/loop b 7 200; mkfifo dev/fifo; chmod 666 dev/null; chown 0:6 dev/loop
ln dev/fifo dev/fifo2
truncate -s 10M plain/holes; echo middle | dd of=plain/holes bs=1 seek=5000000 conv=notrunc status=none
truncate -s 1M plain/only-hole; { truncate -s 8M plain/tail; echo end >> plain/tail; }
for i in $(seq 30); do echo $i | dd of=plain/many-holes bs=1 seek=$((i * 100000)) conv=notrunc status=none; done
touch -d '2001-02-03 04:05:06.789012345' plain/file; touch -d '1960-01-01' plain/block; touch -h -d '1999-09-09' links/soft
touch -d '2100-01-01 00:00:00.5' plain/empty; touch -d '2002-02-02' plain/deep; touch -d '2003-03-03' .
`
/** Needs attr and libcap2-bin. */
export const ATTRIBUTES = `
setfattr -n user.note -v 'some value' plain/file; setfattr -n user.empty plain/file; setfattr -n trusted.t -v x plain
setfattr -n user.binary -v 0x00ff00 plain; setfattr -n trusted.link -v y links/soft; setfattr -n trusted.node -v z dev/null
setcap cap_net_raw+ep plain/setuid
`
