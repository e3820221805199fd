/* Preloaded into a run, keeps in $POWER_CUT_DISK what a power cut would leave of $POWER_CUT_OF.

   Of each file in that folder it has the bytes as of the file's last fsync(2) or fdatasync(2),
   and nothing of what was written since. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep(int fd)
{
    const char *folder = getenv("POWER_CUT_OF"), *disk = getenv("POWER_CUT_DISK");
    char link[64], path[PATH_MAX], kept[PATH_MAX], draft[PATH_MAX + 8], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat found;
    if (length < 0 || fstat(fd, &found) || !S_ISREG(found.st_mode))
        return;
    path[length] = '\0';
    char *name = strrchr(path, '/');
    *name++ = '\0';
    if (strcmp(path, folder))
        return;
    snprintf(kept, sizeof kept, "%s/%s", disk, name);
    snprintf(draft, sizeof draft, "%s.draft", kept);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t at = 0;
    ssize_t count;
    while ((count = pread(fd, block, sizeof block, at)) > 0 && write(to, block, count) == count)
        at += count;
    close(to);
    rename(draft, kept); /* whole, even if the run is killed in here */
}

int fsync(int fd)
{
    int result = ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
    keep(fd);
    return result;
}

int fdatasync(int fd)
{
    int result = ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
    keep(fd);
    return result;
}
