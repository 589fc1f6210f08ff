/* Fails the n-th call that writes below a folder: loaded before libc (LD_PRELOAD), it stands between a process and its disk.

   A process arms it for itself with `fail_writes`; until then, and in every other process, calls go straight through. Counted are
   the calls that change a file or a folder: write, pwrite, writev, ftruncate, fsync, fdatasync, rename, and opening a file that is
   to be made. What is written through a memory map cannot be seen from here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static long fails_at; /* the call that fails, from 1; 0 fails none */
static int with;      /* the errno that it fails with; 0 writes half of what was asked for, and the next call fails */
static int lasting;   /* whether all calls behind it fail too, as on a disk that is full or gone */
static atomic_long calls;
static atomic_long failed;

/* From now on, calls below `path` are counted, and number `at` fails. An empty path counts nothing. */
void fail_writes(const char *path, long at, int error, int stays) {
  snprintf(folder, sizeof folder, "%s", path);
  folder_length = strlen(folder);
  fails_at = at, with = error, lasting = stays;
  atomic_store(&calls, 0), atomic_store(&failed, 0);
}

long writes_counted(void) { return atomic_load(&calls); }

long writes_failed(void) { return atomic_load(&failed); }

static int below(const char *path) {
  return folder_length && strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || !path[folder_length]);
}

static int descriptor_below(int fd) {
  char link[64], path[PATH_MAX];
  if (!folder_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return below(path);
}

static int path_below(int directory, const char *path) {
  char whole[2 * PATH_MAX], at[PATH_MAX];
  if (!folder_length) return 0;
  if (path[0] == '/') return below(path);
  if (directory == AT_FDCWD) {
    if (!getcwd(at, sizeof at)) return 0;
  } else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, at, sizeof at - 1);
    if (length < 0) return 0;
    at[length] = '\0';
  }
  snprintf(whole, sizeof whole, "%s/%s", at, path);
  return below(whole);
}

enum fate { GOES_ON, FAILS, IS_SHORT };

/* What becomes of this call; errno is set where it fails. */
static enum fate fate_of_call(int can_be_short) {
  long number = atomic_fetch_add(&calls, 1) + 1;
  if (!fails_at || number < fails_at) return GOES_ON;
  /* A short write is followed by the failure that it announced, or a caller that tries again would never see any. */
  if (!with && number == fails_at && can_be_short) {
    atomic_fetch_add(&failed, 1);
    return IS_SHORT;
  }
  if (number > fails_at + (with == 0) && !lasting) return GOES_ON;
  atomic_fetch_add(&failed, 1);
  errno = with ? with : ENOSPC;
  return FAILS;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
  if (!descriptor_below(fd)) return REAL(write)(fd, data, size);
  switch (fate_of_call(size > 1)) {
    case FAILS: return -1;
    case IS_SHORT: return REAL(write)(fd, data, size / 2);
    default: return REAL(write)(fd, data, size);
  }
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  if (!descriptor_below(fd)) return REAL(pwrite)(fd, data, size, at);
  switch (fate_of_call(size > 1)) {
    case FAILS: return -1;
    case IS_SHORT: return REAL(pwrite)(fd, data, size / 2, at);
    default: return REAL(pwrite)(fd, data, size, at);
  }
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  if (!descriptor_below(fd)) return REAL(pwrite64)(fd, data, size, at);
  switch (fate_of_call(size > 1)) {
    case FAILS: return -1;
    case IS_SHORT: return REAL(pwrite64)(fd, data, size / 2, at);
    default: return REAL(pwrite64)(fd, data, size, at);
  }
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!descriptor_below(fd)) return REAL(writev)(fd, parts, count);
  switch (fate_of_call(count > 0 && parts[0].iov_len > 1)) {
    case FAILS: return -1;
    case IS_SHORT: return REAL(write)(fd, parts[0].iov_base, parts[0].iov_len / 2);
    default: return REAL(writev)(fd, parts, count);
  }
}

#define ON_DESCRIPTOR(name, parameters, ...)                                                    \
  int name parameters {                                                                         \
    if (descriptor_below(fd) && fate_of_call(0) == FAILS) return -1;                            \
    return REAL(name)(__VA_ARGS__);                                                             \
  }

ON_DESCRIPTOR(fsync, (int fd), fd)
ON_DESCRIPTOR(fdatasync, (int fd), fd)
ON_DESCRIPTOR(ftruncate, (int fd, off_t size), fd, size)
ON_DESCRIPTOR(ftruncate64, (int fd, off64_t size), fd, size)

int rename(const char *from, const char *to) {
  if (path_below(AT_FDCWD, to) && fate_of_call(0) == FAILS) return -1;
  return REAL(rename)(from, to);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
  if (path_below(to_directory, to) && fate_of_call(0) == FAILS) return -1;
  return REAL(renameat)(from_directory, from, to_directory, to);
}

/* Only where the file is to be made: what is there can be opened on a full disk too. */
static int makes(int directory, const char *path, int flags) {
  return (flags & O_CREAT) && path_below(directory, path) && faccessat(directory, path, F_OK, 0) != 0;
}

#define OPENS(name, directory, parameters, ...)                                                 \
  int name parameters {                                                                         \
    mode_t mode = 0;                                                                            \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                 \
      va_list more;                                                                             \
      va_start(more, flags);                                                                    \
      mode = va_arg(more, mode_t);                                                              \
      va_end(more);                                                                             \
    }                                                                                           \
    if (makes(directory, path, flags) && fate_of_call(0) == FAILS) return -1;                   \
    return REAL(name)(__VA_ARGS__, mode);                                                       \
  }

OPENS(open, AT_FDCWD, (const char *path, int flags, ...), path, flags)
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), path, flags)
OPENS(openat, directory, (int directory, const char *path, int flags, ...), directory, path, flags)
OPENS(openat64, directory, (int directory, const char *path, int flags, ...), directory, path, flags)
