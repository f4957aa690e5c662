/* WebSocket: a script of pieces, gaps and ends (drive.h), joined late or behind an Upgrade. */
#include "dissect/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool by_upgrade = size && data[0] & 8;
    dissect_drive_fuzz(by_upgrade ? NULL : "ws", DISSECT_TCP, data, size);
    return 0;
}
