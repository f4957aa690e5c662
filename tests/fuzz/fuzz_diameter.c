/* Diameter: a script of pieces, gaps and ends (drive.h). */
#include "dissect/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dissect_drive_fuzz("diameter", DISSECT_TCP, data, size);
    return 0;
}
