/* Preloaded into a run, keeps in $POWER_CUT_DISK what a power cut would leave of $POWER_CUT_OF.

   Of each file in that folder it has the bytes as when its last fsync(2) or fdatasync(2) began,
   and nothing of what was written since. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Copy what has been written so far, since others may write while the disk is at work. */
static int copied(int fd, char *kept, char *draft)
{
    const char *folder = getenv("POWER_CUT_OF"), *disk = getenv("POWER_CUT_DISK");
    char link[64], path[PATH_MAX], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat found;
    if (length < 0 || fstat(fd, &found) || !S_ISREG(found.st_mode))
        return 0;
    path[length] = '\0';
    char *name = strrchr(path, '/');
    *name++ = '\0';
    if (strcmp(path, folder))
        return 0;
    snprintf(kept, PATH_MAX, "%s/%s", disk, name);
    snprintf(draft, PATH_MAX + 8, "%s.draft", kept);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t at = 0;
    ssize_t count;
    while ((count = pread(fd, block, sizeof block, at)) > 0 && write(to, block, count) == count)
        at += count;
    close(to);
    return 1;
}

static int synced(int fd, const char *how)
{
    char kept[PATH_MAX], draft[PATH_MAX + 8];
    pthread_mutex_lock(&one_at_a_time);
    int ours = copied(fd, kept, draft);
    int result = ((int (*)(int))dlsym(RTLD_NEXT, how))(fd);
    if (ours)
        rename(draft, kept); /* whole, even if the run is killed in here */
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int fsync(int fd)
{
    return synced(fd, "fsync");
}

int fdatasync(int fd)
{
    return synced(fd, "fdatasync");
}
