// SPDX-License-Identifier: Apache-2.0
// cmd_attribute_dataset.c — attribute over the rows of data files, with the library's names for where they are (args_texts reads them).
#include "commands.h"

const Command command_attribute_dataset = {
    .name = "attribute-dataset",
    .options = DATASET,
    .run = cmd_attribute,
    .usage = "-m MODEL -a METHOD -d json|csv|tsv|text --dataset_files FILE ... -in COLUMN [options]",
    .summary = "attribute over the rows of data files",
    .example =
        "-m demo/en-nl -a saliency -d csv --dataset_files pairs.csv -in source -gen target -o result.json",
};
