#!/bin/bash
# The program `pentimento` from the outside: files, exit codes, messages, JSON, signals. TAP on standard output.
# usage: test-cli.sh PENTIMENTO MODELS MAKE [MODULE]   (the program, the folder that holds starter-pixel, make-prompt-model, and
# the module for GPUs of NVIDIA that was built for the host)
set -u
program=$1
models=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
export PENTIMENTO_MODELS=$models LC_ALL=C.UTF-8 LANGUAGE= XDG_DATA_HOME=$t/data XDG_CACHE_HOME=$t/cache
n=0

# ok TITLE COMMAND...: one case.
ok ()
{
  local title=$1
  shift
  n=$((n + 1))
  if "$@" >"$t/case.log" 2>&1; then echo "ok $n - $title"
  else
    echo "not ok $n - $title"
    sed 's/^/# /' "$t/case.log"
  fi
}
files () { python3 "$here/files.py" "$@"; }
same () { cmp "$1" "$2"; }
absent () { local p; for p; do [ ! -e "$p" ] || { echo "$p exists"; return 1; }; done; }
count () { local have; have=$(find "$1" -name "$2" | wc -l); [ "$have" = "$3" ] || { echo "$have files"; return 1; }; }
paint () { "$program" generate --model starter-pixel --class fox --seed 7 --quiet "$@"; }

# fails CODE PATTERN ARGUMENT...: the exit code, and one line of stderr that begins with the program's name.
fails ()
{
  local wanted=$1 pattern=$2 code=0
  shift 2
  "$program" "$@" >"$t/out" 2>"$t/err" || code=$?
  cat "$t/err"
  [ "$code" = "$wanted" ] || { echo "exit code $code"; return 1; }
  [ "$(wc -l <"$t/err")" = 1 ] || { echo "not one line"; return 1; }
  grep -q '^pentimento: .*[.]$' "$t/err" || { echo "no sentence of the program's"; return 1; }
  grep -qiE "$pattern" "$t/err" || { echo "lacks $pattern"; return 1; }
  [ ! -s "$t/out" ] || { echo "stdout:"; cat "$t/out"; return 1; }
}
generate_fails () { local c=$1 p=$2; shift 2; fails "$c" "$p" generate --out "$t/none.png" "$@"; }

# interrupted: SIGINT in the middle of a long run.
interrupted ()
{
  local pid code=0 began
  mkdir "$t/int"
  "$program" generate --model starter-pixel --class fox --num-steps 1000 --show 'layers=3;steps=0;read=received' \
    --out "$t/int/a.png" --maps "$t/int/maps" --raw "$t/int/r.safetensors" --record "$t/int/r.json" --json \
    >"$t/int.out" 2>"$t/int.err" &
  pid=$!
  for _ in $(seq 100); do grep -q '"step":2' "$t/int.out" && break; sleep 0.1; done
  kill -INT "$pid"
  began=$(date +%s%N)
  wait "$pid" || code=$?
  began=$((($(date +%s%N) - began) / 1000000))
  cat "$t/int.err"
  [ "$code" = 130 ] || { echo "exit code $code"; return 1; }
  [ "$began" -lt 1000 ] || { echo "it took $began ms"; return 1; }
  [ -z "$(ls -A "$t/int")" ] || { ls -lA "$t/int"; return 1; }
}

# ---- what it says of itself
version () { "$program" --version >"$t/v" && grep -Eq '^pentimento [0-9]+\.[0-9]+' "$t/v"; }
help ()
{
  "$program" --help >"$t/h" && grep -q generate "$t/h" && "$program" generate --help >"$t/h" && grep -q -- --region-mask "$t/h"
}
ok "--version" version
ok "--help" help
ok "no command" fails 2 'help'
ok "an unknown command" fails 2 'generate' pain
ok "an unknown option" fails 2 'no-such' generate --no-such-option
ok "a stray argument" fails 2 'stray' generate stray

# ---- models and info
models_listed ()
{
  "$program" models >"$t/l" && grep -q 'starter-pixel.*dit' "$t/l" &&
    "$program" models --json >"$t/l" && files lines "$t/l" model=3 folders=1
}
info_text () { "$program" info starter-pixel >"$t/i" && grep -q '8 layers, 6 heads' "$t/i" && grep -q 'lady beetle' "$t/i"; }
info_json ()
{
  "$program" info --json --device cpu starter-pixel >"$t/i" && python3 -m json.tool "$t/i" >/dev/null &&
    files field "$t/i" info layers 8
}
no_fallbacks () { files field "$t/i" info fallbacks '[]'; }
info_path () { "$program" info "$models/starter-pixel" >"$t/l" && grep -q 'x0, schedule flow' "$t/l"; }
info_local ()
{
  local flow=$here/../reference/pixel-flow/model/model.hash.json
  mkdir -p "$t/many" && sed 's/\[7, 64\]/[1001, 64]/' "$flow" >"$t/many/model.hash.json" || return 1
  echo '{"num_attention_heads": 4, "prediction": "x0"}' >"$t/many/config.json"
  LANGUAGE=ca "$program" info "$t/many" >"$t/l" && grep -q '0 tenca, Tinca tinca (tench, Tinca tinca)$' "$t/l" || return 1
  "$program" info "$t/many" >"$t/l" && grep -q '0 tench, Tinca tinca$' "$t/l" || return 1
  "$program" info --json "$t/many" >"$t/l" && ! grep -q local_ "$t/l" || return 1
  LANGUAGE=ca "$program" info --json "$t/many" >"$t/l" && grep -q '"classes":\["tench, .*"local_classes":\["tenca, .*null' "$t/l"
}
unnamed ()
{
  "$program" generate --class fox --num-steps 2 --quiet --out "$t/unnamed.png" --record "$t/unnamed" &&
    grep -q '"model" *: *"starter-class"' "$t/unnamed" && "$program" generate --model starter-pixel --class fox --num-steps 2 \
    --quiet --out "$t/other.png" && ! same "$t/unnamed.png" "$t/other.png" &&
    "$program" generate --prompt 'a lemon' --num-steps 2 --quiet --out "$t/other.png" --record "$t/unnamed" &&
    grep -q '"model" *: *"starter-prompt"' "$t/unnamed"
}
ok "models lists the starters" models_listed
ok "the model that is meant where none is named" unnamed
ok "info tells layers and classes" info_text
ok "info --json is JSON" info_json
ok "info tells classes in the user's language and in English" info_local
ok "nothing falls back to ref for the starter on cpu" no_fallbacks
ok "info takes a path" info_path

# ---- generate
show='layers=3,5;heads=all;steps=0,12,-1;read=received'
# Of many remembered sums the oldest go, and the new one stays.
forgets ()
{
  local file=$t/forget/pentimento/sha256.ini i sum
  mkdir -p "${file%/*}"
  for i in $(seq 1200); do printf '[%064d]\nstamp=1\nsha256=2\n' "$i"; done >"$file"
  XDG_CACHE_HOME=$t/forget paint --out "$t/f.png" || return 1
  sum=$(sha256sum <"$models/starter-pixel/model.safetensors" | cut -d ' ' -f 1)
  [ "$(grep -c '^stamp=' "$file")" = 1000 ] && grep -q "^sha256=$sum" "$file" && grep -q '0001200\]' "$file"
}
ok "paints" paint --out "$t/a.png"
ok "sums of files are remembered, the last thousand" forgets
ok "the picture is a PNG of the model's size" files png "$t/a.png" 64 64
ok "with maps on one thread" paint --threads 1 --show "$show" --out "$t/b1.png" --maps "$t/m1" --raw "$t/r1.safetensors"
ok "with maps on two threads" paint --threads 2 --show "$show" --out "$t/b2.png" --maps "$t/m2" --raw "$t/r2.safetensors"
ok "recording changes nothing in the picture" same "$t/a.png" "$t/b1.png"
ok "pictures do not depend on the thread count" same "$t/b1.png" "$t/b2.png"
ok "raw maps do not depend on the thread count" same "$t/r1.safetensors" "$t/r2.safetensors"
ok "maps do not depend on the thread count" diff -r "$t/m1" "$t/m2"
ok "2 layers x 6 heads x 3 steps are 36 maps" count "$t/m1" '*.png' 36
all_maps_sound () { local f; for f in "$t"/m1/*.png; do files png "$f" 64 64 || return 1; done; }
ok "every map is a PNG of the picture's size" all_maps_sound
ok "no temporary files are left" count "$t" '.*.??????' 0
ok "raw holds every map" files count "$t/r1.safetensors" meta: 36
ok "raw maps are 8 x 8" files shapes "$t/r1.safetensors" received-s12-l05-h02=8x8 meta:received-s12-l05-h02=6 \
  latent=1x3x64x64
ok "received sums to 1" files rows "$t/r1.safetensors" received-s12-l05-h02 64
another_seed () { paint --seed 8 --out "$t/c.png" && ! cmp -s "$t/a.png" "$t/c.png"; }
ok "another seed is another picture" another_seed
another_class () { paint --class house --out "$t/c.png" && ! cmp -s "$t/a.png" "$t/c.png"; }
ok "another class is another picture" another_class
by_number () { paint --class 9 --out "$t/c.png" && cmp "$t/a.png" "$t/c.png"; }
ok "a class by number" by_number
random_seed ()
{
  local seed
  "$program" generate --model starter-pixel --class fox --out "$t/c.png" >"$t/out" || return 1
  seed=$(sed -n 's/.*seed \([0-9]*\).*/\1/p' "$t/out")
  paint --seed "$seed" --out "$t/d.png" && cmp "$t/c.png" "$t/d.png"
}
ok "the random seed that is printed gives the picture again" random_seed
map_scale ()
{
  paint --show "$show" --maps "$t/m3" --map-scale 0 --palette magma && files png "$t/m3/received-s12-l05-h02.png" 8 8
}
ok "--map-scale 0 is a pixel a patch" map_scale
subject () { paint --maps "$t/m4" --show 'read=subject;steps=mean:all' && count "$t/m4" 'subject*.png' 1; }
ok "the subject over all steps is one map" subject
from='layers=mean:recommended;steps=12;read=from'
region () { paint --region 16,16,48,48 --raw "$t/r5.safetensors" --show "$from" && files count "$t/r5.safetensors" from 1; }
ok "from a region" region
region_mask ()
{
  files make-mask "$t/mask.png" 64x64 16,16,48,48
  paint --region-mask "$t/mask.png" --raw "$t/r6.safetensors" --show "$from" && cmp "$t/r5.safetensors" "$t/r6.safetensors"
}
ok "the same region as a mask gives the same map" region_mask
kept_outside ()
{
  paint --class house --start "$t/c.png" --mask "$t/mask.png" --strength 0.7 --out "$t/k.png" &&
    files kept "$t/k.png" "$t/c.png" 16,16,48,48
}
ok "--mask keeps what is outside, and paints inside" kept_outside
weaker () { paint --start "$t/a.png" --strength 0.05 --class house --out "$t/w.png" && files near "$t/w.png" "$t/a.png" 0.05; }
ok "little strength changes little" weaker
previews ()
{
  "$program" generate --model starter-pixel --class fox --seed 7 --preview-every 6 --preview-dir "$t/p" --json --out "$t/q.png" \
    >"$t/pj" && cmp "$t/a.png" "$t/q.png" && count "$t/p" 'preview-*' 4 && files png "$t/p/preview-006.png" 64 64 &&
    grep -q '"step":18.*preview-018.png' "$t/pj" && ! grep -q '"step":7,.*preview' "$t/pj"
}
ok "previews come on the way and change nothing" previews
unipc () { paint --sampler unipc --num-steps 8 --out "$t/u.png" && files near "$t/u.png" "$t/a.png" 0.15; }
ok "eight steps of unipc paint nearly the same picture" unipc
json_run ()
{
  "$program" generate --model starter-pixel --class fox --seed 7 --json --num-steps 6 \
    --show 'layers=3;heads=all;steps=2;read=entropy' >"$t/j"
}
ok "--json runs" json_run
ok "--json tells every step, every map and the result" files lines "$t/j" progress=6 map=6 result=1
estimate ()
{
  "$program" generate --model starter-pixel --class fox --estimate --json >"$t/e" && files lines "$t/e" estimate=1
}
ok "--estimate" estimate

# ---- exports
over_steps='layers=3,5;heads=all;steps=0,6,12,18,23;read=received'
ok "a sheet, an animation and arrays" paint --show "$over_steps" --sheet "$t/sheet.png" --gif "$t/steps.gif" --npy "$t/npy" \
  --raw "$t/r7.safetensors"
ok "the sheet is a PNG of 6 columns and 10 rows" files picture_size "$t/sheet.png" 900 1500
ok "the animation has a frame a step" files gif "$t/steps.gif" 5
ok "the arrays are the raw maps" files npy "$t/npy" "$t/r7.safetensors"
decoded_elsewhere ()
{
  local i
  type convert identify >/dev/null || return 1
  [ "$(identify "$t/steps.gif" | wc -l)" = 5 ] || return 1
  for i in 0 1 4; do
    convert "$t/steps.gif[$i]" -depth 8 "rgb:$t/frame" && files gif_frame "$t/steps.gif" $i "$t/frame" || return 1
  done
}
if type convert >/dev/null 2>&1; then ok "another program sees the same frames" decoded_elsewhere
else n=$((n + 1)); echo "ok $n - another program sees the same frames # SKIP ImageMagick is not here"; fi
by () { paint --show "$over_steps" --sheet "$t/by-$1.png" --sheet-by "$1" && ! cmp "$t/by-$1.png" "$t/sheet.png"; }
ok "a sheet by layers" by layers
ok "a sheet by steps" by steps
default_sheet () { paint --sheet "$t/default.png" --gif "$t/default.gif" && files gif "$t/default.gif" 24; }
ok "without --show the subject over all steps" default_sheet
ok "an animation of one step" generate_fails 2 'steps' --model starter-pixel --class fox --gif "$t/none.gif" \
  --show 'steps=mean;read=subject'
ok "an unknown axis" generate_fails 2 'layers' --model starter-pixel --class fox --sheet "$t/none.png" --sheet-by rows
ok "a sheet of no maps" generate_fails 2 'maps' --model starter-pixel --class fox --sheet "$t/none.png" --show none
ok "rollout of a region" paint --region 16,16,48,48 --raw "$t/r8.safetensors" --show 'layers=all;steps=12;read=rollout'
ok "is a map a layer" files count "$t/r8.safetensors" rollout 8
which () { paint --show "layers=3;heads=all;steps=12;read=received;which=$1" --guidance 3 --raw "$t/which-$1.safetensors"; }
ok "the difference of both halves" which difference
ok "is named so" files count "$t/which-difference.safetensors" received-difference- 6
budget='layers=all;heads=all;steps=all;read=received,entropy,distance,from,to'
over_budget () { paint --region 16,16,48,48 --show "$budget" --raw "$t/budget-$1.safetensors" --map-budget "$1"; }
ok "5760 maps in memory" over_budget 16
ok "the same as half-precision numbers" over_budget 1
ok "are equal but for rounding" files same_maps "$t/budget-1.safetensors" "$t/budget-16.safetensors" 5e-4
storage ()
{
  "$program" generate --model starter-pixel --class fox --region 16,16,48,48 --show "$budget" --map-budget "$1" --estimate \
    --json >"$t/e" && files field "$t/e" estimate map_storage "\"$2\""
}
ok "the estimate tells: in memory" storage 16 f32
ok "the estimate tells: half precision" storage 1 f16

# ---- prompts
"$3" "$t/reads"
tell () { "$program" generate --model "$t/reads" --size 64x96 --num-steps 4 --seed 3 --quiet "$@"; }
by_words ()
{
  tell --prompt 'A red fox, and snow' --show "layers=mean;heads=mean;steps=mean;$1" --raw "$t/$2.safetensors" "${@:3}"
}
ok "paints a prompt" tell --prompt 'A red fox, and snow' --out "$t/fox.png"
ok "in the size that was asked for" files png "$t/fox.png" 64 96
ok "a map a word" by_words 'read=word,word-share' all
ok "has a name a word" files shapes "$t/all.safetensors" word-a=6x4 word-red=6x4 word-fox=6x4 word-and=6x4 word-snow=6x4 \
  word-share-snow=6x4 meta:word-red=6 latent=1x4x12x8
ok "and no more" files count "$t/all.safetensors" meta:word- 10
default_words () { tell --prompt 'a red fox' --sheet "$t/dw.png" --maps "$t/dw" && count "$t/dw" 'word-share-*.png' 3; }
ok "without --show the words over all steps" default_words
ok "chosen words and phrases" by_words 'words=snow,red fox,fox#1;read=word,sink' some
ok "are what there is" files count "$t/some.safetensors" meta: 4
ok "by their names" files shapes "$t/some.safetensors" word-snow=6x4 word-red-fox=6x4 word-fox-1=6x4 sink=6x4
ok "looking at words changes nothing" tell --prompt 'A red fox, and snow' --show 'read=word' --maps "$t/wm" --out "$t/fox2.png"
ok "in the picture" same "$t/fox.png" "$t/fox2.png"
ok "maps of words have files" count "$t/wm" 'word-red-*.png' 8
word_sheet () { by_words 'read=word-share' sheet --sheet "$t/words.png" && files picture_size "$t/words.png" 300 600; }
ok "words stand on a sheet" word_sheet
word_gif () { tell --prompt 'A fox' --show 'read=word' --gif "$t/words.gif" --npy "$t/wn" && files gif "$t/words.gif" 4; }
ok "and move" word_gif
ok "and are arrays" count "$t/wn" 'word-fox-*.npy' 8
ok "a hidden word" by_words 'words=fox;read=word' hidden --weight fox=0
ok "is looked at by nobody" files zero "$t/hidden.safetensors" word-fox 0,0,4,6
files make-mask "$t/left.png" 64x96 0,0,32,96
ok "a word with a place" by_words 'words=snow;read=word' placed --where "snow=$t/left.png" \
  --record "$t/placed.json" --out "$t/placed.png"
ok "is looked at there only" files zero "$t/placed.safetensors" word-snow 2,0,4,6
ok "its record" tell --from-record "$t/placed.json" --raw "$t/again.safetensors" --out "$t/again.png"
ok "paints the same" same "$t/placed.png" "$t/again.png"
ok "and shows the same" same "$t/placed.safetensors" "$t/again.safetensors"
weighed ()
{
  tell --prompt 'A red fox, and snow' --weight 'red fox=2' --out "$t/weighed.png" && ! cmp -s "$t/fox.png" "$t/weighed.png"
}
ok "a weight changes the picture" weighed
negative () { tell --prompt 'A red fox, and snow' --negative blur --out "$t/neg.png" && ! cmp -s "$t/fox.png" "$t/neg.png"; }
ok "so does a negative prompt" negative
unused_negative ()
{
  tell --prompt 'A red fox, and snow' --negative blur --guidance 1 --out "$t/neg1.png" 2>"$t/err" &&
    grep -q '^pentimento: .*negative prompt.*guidance' "$t/err" &&
    tell --prompt 'A red fox, and snow' --guidance 1 --out "$t/neg2.png" 2>"$t/err" && [ ! -s "$t/err" ] &&
    cmp "$t/neg1.png" "$t/neg2.png"
}
ok "a negative prompt that changes nothing is told" unused_negative
word_json ()
{
  "$program" generate --model "$t/reads" --size 64x96 --num-steps 2 --prompt 'a fox' --show 'words=fox;read=word' \
    --json >"$t/wj" &&
    files field "$t/wj" map word '"fox"' && files field "$t/wj" result prompt '"a fox"'
}
ok "--json tells words" word_json
who () { "$program" who-named --model "$t/reads" --prompt 'A red fox, and snow' --in "$t/fox.png" --at 40,80 "$@" >"$t/who"; }
who_text () { who --radius 20 && [ "$(wc -l <"$t/who")" = 5 ] && grep -Eq '^ *[0-9.]+ %  (a|red|fox|and|snow)  ' "$t/who"; }
ok "who-named ranks the words" who_text
who_json () { who --json && files lines "$t/who" word=5 && files falling "$t/who" word share; }
ok "largest share first" who_json
# A place outside is told before a model is opened, let alone run.
ok "who-named outside the picture, whatever the model" fails 2 'outside' who-named --model "$t/no-such-model" --prompt 'a fox' \
  --in "$t/fox.png" --at 64,10
ok "who-named outside the picture" fails 2 'outside' who-named --model "$t/reads" --prompt 'a fox' --in "$t/fox.png" --at 64,10
ok "a class for a model of prompts" generate_fails 2 'prompt' --model "$t/reads" --class fox
ok "an unknown word to show lists words" generate_fails 2 'dog.*“fox”' \
  --model "$t/reads" --size 64x96 --prompt 'a fox' --show 'words=dog;read=word'
ok "an unknown word to weigh lists words" generate_fails 2 'dog.*“fox”' \
  --model "$t/reads" --size 64x96 --prompt 'a fox' --weight dog=2
ok "the fifth fox" generate_fails 2 'fox#5' --model "$t/reads" --size 64x96 --prompt 'a fox' --weight fox#5=2
ok "words of the half without the prompt" generate_fails 2 'condition' --model "$t/reads" --size 64x96 --prompt 'a fox' \
  --show 'read=word;which=null'
ok "words of an empty prompt" generate_fails 2 'single words' --model "$t/reads" --size 64x96 --show 'read=word'
# Whatever is damaged, all parts are told, and a script sees it too.
info_damaged ()
{
  local code=0 part
  cp -r "$t/reads" "$t/torn" && rm "$t/torn/text_encoder"/*.hash.json && : >"$t/torn/tokenizer/spiece.model" &&
    echo torn >"$t/torn/text_encoder/model.safetensors" && rm "$t/torn/vae"/*.hash.json &&
    echo torn >"$t/torn/vae/diffusion_pytorch_model.safetensors" || return 1
  "$program" info "$@" "$t/torn" >"$t/l" 2>"$t/err" || code=$?
  cat "$t/l" "$t/err"
  [ "$code" = 1 ] && [ "$(wc -l <"$t/err")" = 1 ] && grep -q 'vae, text_encoder, tokenizer' "$t/err" || return 1
  for part in vae/diffusion_pytorch_model.safetensors text_encoder/model.safetensors tokenizer/spiece.model; do
    grep -Eq "(do: |problem).*$t/torn/$part" "$t/l" || { echo "nothing of $part"; return 1; }
  done
  rm -r "$t/torn"
}
ok "info of damaged parts" info_damaged
ok "info --json of damaged parts" info_damaged --json
long=$(printf 'fox %.0s' $(seq 400))
ok "a prompt that is too long" generate_fails 2 'tokens.*shorten' --model "$t/reads" --size 64x96 --prompt "$long"
ok "a size that is no multiple" generate_fails 2 'multiples' --model "$t/reads" --size 60x96 --prompt 'a fox'

# ---- records
ok "a record is written" paint --show 'layers=3,5;heads=all;steps=0,-1;read=received' --out "$t/e.png" \
  --raw "$t/re.safetensors" --record "$t/e.json" --guidance 3 --num-steps 9
ok "a record is JSON" python3 -m json.tool "$t/e.json"
ok "a record runs again" "$program" generate --from-record "$t/e.json" --out "$t/f.png" --raw "$t/rf.safetensors" --quiet
ok "with the same picture" same "$t/e.png" "$t/f.png"
ok "and the same maps" same "$t/re.safetensors" "$t/rf.safetensors"
echo '{"request": 3}' >"$t/bad.json"
echo '{"requ' >"$t/worse.json"
ok "a record without a request" generate_fails 1 'bad.json' --from-record "$t/bad.json"
ok "a damaged record" generate_fails 1 'worse.json' --from-record "$t/worse.json"

# ---- wrong input
ok "a missing model" generate_fails 1 'no-such-model' --model no-such-model --class fox
ok "an unknown class names near ones" generate_fails 1 'fox' --model starter-pixel --class foks
ok "a class number outside" generate_fails 1 '24' --model starter-pixel --class 24
ok "a bad show: axis" generate_fails 2 'layers' --model starter-pixel --class fox --show 'layer=3;read=received'
ok "a bad show: reading" generate_fails 2 'received' --model starter-pixel --class fox --show 'read=recieved'
ok "a bad show: layer outside" generate_fails 2 '99' --model starter-pixel --class fox --show 'layers=99;read=received'
ok "a reading of a region without one" generate_fails 2 'region' --model starter-pixel --class fox --show 'read=from'
ok "a bad size" generate_fails 2 '64x64' --model starter-pixel --class fox --size 64
ok "a size the model cannot paint" generate_fails 2 '64' --model starter-pixel --class fox --size 640x64
ok "a bad seed" generate_fails 2 'seed' --model starter-pixel --class fox --seed -3
ok "a bad number of steps" generate_fails 2 'step' --model starter-pixel --class fox --num-steps 1001
ok "an unknown sampler" generate_fails 2 'euler' --model starter-pixel --class fox --sampler eulr
ok "a mask without a picture" generate_fails 2 'start' --model starter-pixel --class fox --mask "$t/mask.png"
ok "a strength outside" generate_fails 2 'strength' --model starter-pixel --class fox --start "$t/a.png" --strength 2
ok "a start of another size" generate_fails 2 '64' --model starter-pixel --class fox --start "$t/m3/received-s12-l05-h02.png"
ok "a start that is no PNG" generate_fails 1 'bad.json' --model starter-pixel --class fox --start "$t/bad.json"
ok "previews without a folder" generate_fails 2 'preview-dir' --model starter-pixel --class fox --preview-every 2
ok "a bad interval" generate_fails 2 'interval' --model starter-pixel --class fox --guidance-interval 0.9,0.1
ok "a region outside" generate_fails 2 'outside' --model starter-pixel --class fox --region 0,0,65,65
ok "an unknown palette" generate_fails 2 'viridis' --model starter-pixel --class fox --palette sepia
ok "an unknown device" generate_fails 2 'cpu' --model starter-pixel --class fox --device abacus
ok "a prompt for a model of classes" generate_fails 2 'class' --model starter-pixel --prompt 'a fox'
ok "a negative prompt for it" generate_fails 2 'class' --model starter-pixel --class fox --negative blur
ok "a class and a prompt" generate_fails 2 'or --prompt' --model starter-pixel --class fox --prompt 'a fox'
ok "a weight for a model of classes" generate_fails 2 'class' --model starter-pixel --class fox --weight fox=2
ok "a weight of no words" generate_fails 2 'cat=1.5' --model starter-pixel --class fox --weight =2
ok "a weight that is no number" generate_fails 2 'much' --model starter-pixel --class fox --weight fox=much
ok "a weight out of range" generate_fails 2 '100' --model starter-pixel --class fox --weight fox=-1
ok "a place without a file" generate_fails 2 'mask.png' --model starter-pixel --class fox --where fox
ok "a place whose file is not there" generate_fails 1 'no-such' --model starter-pixel --class fox --where "fox=$t/no-such.png"
files make-mask "$t/black.png" 8x8 0,0,0,0
ok "a place that is nowhere" generate_fails 2 'empty' --model starter-pixel --class fox --where "fox=$t/black.png"
ok "a reading of words without a prompt" generate_fails 2 'prompt' --model starter-pixel --class fox --show 'words=fox;read=word'
ok "a list of words with a gap" generate_fails 2 'words=' --model starter-pixel --class fox --show 'words=a,,b'
ok "who-named without a place" fails 2 'incomplete' who-named --model starter-pixel --prompt 'a fox' --in "$t/a.png"
ok "who-named at no place" fails 2 '40,25' who-named --model starter-pixel --prompt 'a fox' --in "$t/a.png" --at left
ok "who-named of a model of classes" fails 2 'class' who-named --model starter-pixel --prompt 'a fox' --in "$t/a.png" --at 3,4
ok "nothing to keep" fails 2 'out' generate --model starter-pixel --class fox
ok "a folder that is not there" fails 1 'no-such' generate --model starter-pixel --class fox --out "$t/no-such/a.png"
ok "a folder that is a file" fails 1 'a.png' generate --model starter-pixel --class fox --maps "$t/a.png"
ok "what is no file is not replaced" fails 1 'null' generate --model starter-pixel --class fox --out /dev/null
mkdir "$t/broken"
cp "$models/starter-pixel/"*.json "$t/broken/"
head -c 5000000 "$models/starter-pixel/model.safetensors" >"$t/broken/model.safetensors"
ok "a damaged model" generate_fails 1 'model.safetensors' --model "$t/broken" --class fox
mkdir "$t/empty"
ok "a folder without a model" generate_fails 1 'empty' --model "$t/empty" --class fox
ok "failures leave no picture" absent "$t/none.png" "$t/none.gif"
ok "failures leave no temporary files" count "$t" '.*.??????' 0

# ---- signals
ok "SIGINT ends it within a second with 130 and no files" interrupted

# ---- eval
ok "input for eval" files make-input "$t/in.safetensors" 3,24
denoise () { "$program" eval denoise --model starter-pixel --quiet --in "$t/in.safetensors" --out "$@"; }
ok "eval denoise" denoise "$t/o.safetensors" --capture received,entropy,probs:4,subject,from
ok "its shapes" files shapes "$t/o.safetensors" out=2x3x64x64 received=8x2x6x64 entropy=8x2x6x64 probs=2x6x64x64 \
  subject=2x64 from=8x2x6x64
ok "its probabilities" files rows "$t/o.safetensors" probs 64
ok "eval denoise on ref" denoise "$t/p.safetensors" --device ref --capture received
ok "cpu and ref agree: picture" files close "$t/o.safetensors" out "$t/p.safetensors" out 1e-5
ok "cpu and ref agree: received" files close "$t/o.safetensors" received "$t/p.safetensors" received 1e-5
sample () { "$program" eval sample --model starter-pixel --quiet --sampler euler --steps 24 --class fox --seed 7 --out "$1"; }
ok "eval sample" sample "$t/s.safetensors"
ok "eval sample and generate agree" files close "$t/s.safetensors" latent "$t/r1.safetensors" latent 0
ok "a stage that is not there" fails 2 'denoise' eval paint --model starter-pixel --out "$t/x"
ok "eval without input" fails 2 'in' eval denoise --model starter-pixel --out "$t/x"
ok "eval of the wrong tensors" fails 2 '\bx\b' eval denoise --model starter-pixel --in "$t/s.safetensors" --out "$t/x"
files make-input "$t/bad.safetensors" 3,25
ok "eval of a class row outside" fails 2 '24' eval denoise --model starter-pixel --in "$t/bad.safetensors" --out "$t/x"
ok "eval of a damaged file" fails 1 'bad.json' eval denoise --model starter-pixel --in "$t/bad.json" --out "$t/x"
ok "eval leaves nothing behind" absent "$t/x"

# ---- a GPU, its kernels built for the host: what is painted, steered and recorded; no pointer of the device may be followed
if [ -n "${4-}" ]; then
  gpu () { PENTIMENTO_CUDA_MODULE=$module "$@" --device cuda --precision f32; }
  module=$4
  as_good () { cmp -s "$1" "$2" || files near "$@"; }
  listed () { PENTIMENTO_CUDA_MODULE=$module "$program" info --devices | grep '^cuda:0 .* of memory$'; }
  ok "a GPU is listed with its memory" listed
  ok "eval denoise on it" gpu denoise "$t/g.safetensors" --capture received,entropy,probs:4,subject,from
  for tensor in out received entropy probs subject from; do
    ok "cpu and GPU agree: $tensor" files close "$t/g.safetensors" $tensor "$t/o.safetensors" $tensor 1e-4
  done
  shown='layers=2-3;heads=all;steps=all;read=subject,received,entropy,distance,from,to'
  started ()
  {
    "$@" generate --model starter-pixel --class fox --seed 7 --quiet --num-steps 4 --start "$t/a.png" --strength 0.8 \
      --mask "$t/mask.png" --cache taylor:2 --region-mask "$t/mask.png" --show "$shown" "${own[@]}"
  }
  own=(--raw "$t/started.safetensors" --out "$t/started.png")
  ok "a start, a mask, steps between and maps on the processor" started "$program"
  own=(--raw "$t/started-gpu.safetensors" --out "$t/started-gpu.png" --device cuda --precision f32)
  ok "and on the GPU" started env PENTIMENTO_CUDA_MODULE="$module" "$program"
  ok "are the same maps" files same_maps "$t/started-gpu.safetensors" "$t/started.safetensors" 1e-3
  ok "and the same picture" as_good "$t/started-gpu.png" "$t/started.png" 0.01
  words ()
  {
    by_words 'words=snow,red fox;read=word,sink' "$1" --where "snow=$t/left.png" --weight 'red fox=2' "${@:2}"
  }
  ok "words, weighed and placed, on the processor" words words --out "$t/words-cpu.png"
  export PENTIMENTO_CUDA_MODULE=$module
  ok "and on the GPU" words words-gpu --device cuda --precision f32 --out "$t/words-gpu.png"
  ok "are the same maps" files same_maps "$t/words-gpu.safetensors" "$t/words.safetensors" 1e-3
  ok "and the same picture" as_good "$t/words-gpu.png" "$t/words-cpu.png" 0.01
  ok "in 16 bits nearly" words words-bf16 --device cuda --precision bf16 --out "$t/words-bf16.png"
  ok "too" files near "$t/words-bf16.png" "$t/words-cpu.png" 0.1
  ok "memory that is too small" fails 1 'memory' generate --model "$t/reads" --prompt 'a fox' --device cuda --vram-limit 1MiB \
    --on-out-of-memory stop --out "$t/none.png"
  unset PENTIMENTO_CUDA_MODULE
fi

# ---- bench
ok "an unknown measurement" fails 2 'sgemm' bench speed
bench () { "$program" bench sgemm --quick --json >"$t/bench" && files lines "$t/bench" row=2; }
ok "bench sgemm" bench

echo "1..$n"
