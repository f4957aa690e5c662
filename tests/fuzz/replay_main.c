/* Stands in for libFuzzer in ordinary builds: runs the target once over each file (or each file of
 * each folder) named. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    size_t size = 0;
    size_t room = (size_t)1 << 20;
    uint8_t *data = malloc(room);
    while (data) {
        size += fread(data + size, 1, room - size, file);
        if (size < room)
            break;
        room *= 2;
        uint8_t *more = realloc(data, room);
        if (!more)
            free(data);
        data = more;
    }
    fclose(file);
    if (!data)
        return -1;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return replay_file(path);
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    int result = count < 0 ? -1 : 0;
    for (int i = 0; i < count; i++) {
        char child[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(child, sizeof child, "%s/%s", path, names[i]->d_name);
            if (replay(child) <
                0) // NOLINT(misc-no-recursion): depth is that of our own seed folders
                result = -1;
        }
        free(names[i]);
    }
    free(names);
    return result;
}

int main(int argc, char **argv)
{
    int result = 0;
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) < 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            result = 1;
        }
    return result;
}
