#!/usr/bin/env bash
# A tour in the terminal: of SmolLM2 where it was fetched, else of a small network that ships with the program. Each stop
# is one plain call, printed so that it can be copied.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=${PELLUCID:-target/release/pellucid}

bold="" dim="" plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

# A heading, then what is about to be seen and why.
stop() { printf '\n%s%s%s\n%s\n' "$bold" "$1" "$plain" "$2"; }

# One call of the program: shown as a line to copy, then made.
call() {
  local word line="pellucid"
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./=:-]*) line+=" '$word'" ;; *) line+=" $word" ;; esac
  done
  printf '%s$ %s%s\n\n' "$dim" "$line" "$plain"
  "$program" "$@"
}

# SmolLM2 on a sentence with two names: what it knows, and which heads carry it.
tour_of_smollm2() {
  local prompt="When Mary and John went to the store, John gave a drink to"
  stop "What does it predict?" \
    "A sentence that only one name completes. At each position: the model's likeliest next tokens, and how sure it is.
After the last word it says ' Mary', at about 92%."
  call view next_tokens "$model" --prompt "$prompt"

  stop "Where does the answer appear?" \
    "The logit lens reads the residual stream after every block as if it were the last one. For most of the 30 blocks the
answer is nowhere near the top; it climbs from block 23 on, and comes first only at the very end."
  call view logit_lens "$model" --prompt "$prompt"

  stop "Which head looks where?" \
    "All 270 heads at once, by what they attend to: the token before, what followed the same token earlier (induction),
earlier copies of the same token, the first token. Most heads rest on the first token when they have nothing to do."
  call view pattern "$model" --prompt "$prompt"

  stop "A head that fetches the answer" \
    "Head 0 of block 23 looks from the last word (bottom row) back at ' Mary': it can carry the name over."
  call view pattern "$model" --prompt "$prompt" --layer 23 --head 0

  stop "A head that sees the name already taken" \
    "Head 0 of block 20 looks from the last word at the second ' John'."
  call view pattern "$model" --prompt "$prompt" --layer 20 --head 0

  stop "What changes when a head is removed?" \
    "Set head 0 of block 20 to zero and ask again. ' Mary' falls from 92% to about 83%: this head helped, alone it is not
the reason."
  call view next_tokens "$model" --prompt "$prompt" --edit 'blocks.20.attn.z[head=0]=zero'

  stop "Three heads together" \
    "Remove the two heads above and head 1 of block 28, which also looks at ' Mary': down to about 58%. The task is spread
over more heads than one, and the rest still mostly finds the answer."
  call view next_tokens "$model" --prompt "$prompt" --edit 'blocks.20.attn.z[head=0]=zero' \
    --edit 'blocks.23.attn.z[head=0]=zero' --edit 'blocks.28.attn.z[head=1]=zero'
}

# The network that ships has read speeches and plays: the same questions, to be answered by looking.
tour_of_talk() {
  local prompt="I have the honor to transmit to the Senate a treaty between the United"
  stop "What does it predict?" \
    "A sentence of the kind that it learned from. At each position: the likeliest next tokens, and how sure it is."
  call view next_tokens "$model" --prompt "$prompt"

  stop "Where does the answer appear?" \
    "The logit lens reads the residual stream after every block as if it were the last one."
  call view logit_lens "$model" --prompt "$prompt"

  stop "Which head looks where?" \
    "All heads at once, by what they attend to: the token before, what followed the same token earlier (induction),
earlier copies of the same token, the first token."
  call view pattern "$model" --prompt "$prompt"

  stop "One head, token by token" "Rows look, columns are looked at."
  call view pattern "$model" --prompt "$prompt" --layer 0 --head 0

  stop "What changes when a head is removed?" "Set that head to zero and ask again."
  call view next_tokens "$model" --prompt "$prompt" --edit 'blocks.0.attn.z[head=0]=zero'
}

smollm2=models/SmolLM2-135M-Instruct.Q4_1.gguf
if [ -e "$smollm2" ]; then
  model=$smollm2 question="The capital of France is"
  tour_of_smollm2
else
  model=zoo:talk question="My fellow citizens,"
  printf '%s\n' "SmolLM2 is not here (./run models fetches it): this tour is of zoo:talk, a small network in the program."
  tour_of_talk
fi

stop "Where to go from here" \
  "The program is $program. Some things to try:
  pellucid view sample $model --prompt '$question'
  pellucid view logit_lens $model --prompt '$question' -o lens.html
  pellucid points $model          every place that can be captured or edited
  pellucid views                  every question that can be asked
  pellucid capture $model --prompt 'Hello' --point 'blocks.*.resid_post' -o hello.safetensors"
