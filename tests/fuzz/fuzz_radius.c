/* RADIUS: a script of datagrams (drive.h). */
#include "dissect/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dissect_drive_fuzz("radius", DISSECT_UDP, data, size);
    return 0;
}
