#include "checkpoint.h"
static bool read_pickle(Str bytes, const char *path, StoredList *out, Err *e)
{
    (void)bytes, (void)out;
    return err_set(e, "%s: pickles are not read yet", path);
}
const ReaderKind reader_pickle = {
    .name = "pickle", .file = "pytorch_model.bin", .index = "pytorch_model.bin.index.json", .read = read_pickle,
};
