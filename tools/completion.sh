#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What bash, zsh and fish make of the completions, asked in the shells themselves; of a shell that is not here it says so.
# The man pages too, where mandoc or groff can be asked.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export PATH="$PWD:$PATH" LC_ALL=C.UTF-8 HF_HUB_CACHE="$work"
bad=0
for shell in bash zsh fish; do ./inseq completion $shell >"$work/$shell" || bad=1; done
# has SHELL LINE WANTED UNWANTED: what is offered behind the line.
has() {
    local offered
    offered=$("$1_offers" "$2")
    printf '%s\n' "$offered" | grep -Eq -- "(^|[[:space:]])$3([[:space:]]|\$)" || { echo "$1: '$2' does not offer $3"; bad=1; }
    ! printf '%s\n' "$offered" | grep -Eq -- "(^|[[:space:]])$4([[:space:]]|\$)" || { echo "$1: '$2' offers $4"; bad=1; }
}
bash_offers() {
    bash --norc -c '. "$1"; read -ra COMP_WORDS <<<"$2"; case $2 in *" ") COMP_WORDS+=("");; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _inseq; printf "%s\n" "${COMPREPLY[@]}"' bash "$work/bash" "$1"
}
fish_offers() { fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$work/fish" "$1" 2>&1; }
# zsh tells what it would offer only on a terminal: the pseudo-terminal of its own module.
command -v zsh >/dev/null && zsh -f -c 'autoload -U compinit; compinit -u -d "$1"' zsh "$work/dump"
zsh_offers() {
    zsh -f -c 'zmodload zsh/zpty; zpty -b z zsh -f -i
        zpty -w z "PS1=; autoload -U compinit; compinit -u -C -d $1/dump; setopt no_beep no_auto_menu; LISTMAX=10000; COLUMNS=300; . $1/zsh; echo REA\DY"
        for i in {1..100}; do sleep 0.2; zpty -r -t z all && [[ $all = *READY* ]] && break; done
        zpty -w -n z "$2"$'"'\t'"'; sleep 1.5; zpty -w -n z $'"'\t'"'; sleep 1.5
        while zpty -r -t z line; do print -r -- "$line"; done; zpty -d z' \
        zsh "$work" "$1" 2>&1 | sed 's/\x1b\[[0-9;?]*[A-Za-z]/ /g' | tr -d '\r\007'
}
for shell in bash zsh fish; do
    command -v $shell >/dev/null || { echo "no $shell here: its completions were not tried"; continue; }
    has $shell "inseq attri" attribute-context compare
    has $shell "inseq attribute --attribution-me" --attribution-method --attribute-target
    has $shell "inseq attribute -a lay" layer_deeplift saliency
    has $shell "inseq attribute --step-scores pr" probability saliency
    has $shell "inseq show --color al" always never
    has $shell "inseq export demo/y" demo/yes-no-small demo/en-nl
done
for page in inseq.1 inseq-methods.7 inseq-formats.5; do
    kind=${page%.*} && kind=--man${kind#inseq} && ./inseq help "$kind" >"$work/$page"
    if command -v mandoc >/dev/null; then
        said=$(mandoc -Tlint -W warning "$work/$page" | grep -v 'missing date'); [ -z "$said" ] || { echo "$said" | head; bad=1; }
    fi
    if command -v groff >/dev/null; then
        said=$(groff -man -Tutf8 -Kutf8 -ww "$work/$page" 2>&1 >/dev/null); [ -z "$said" ] || { echo "$said" | head; bad=1; }
    fi
done
exit $bad
