#!/usr/bin/env python3
"""Writes captions.json: captions, and what diffusers' PixArt pipeline makes of them ("clean") and of the same without cleaning
("lower").

The pipeline's own methods are called (diffusers 0.35.1, Python 3.13.5, beautifulsoup4 4.15.0), with ftfy.fix_text leaving text
as it is: the core does not repair wrongly decoded text.
"""
import json
import pathlib
import random
import types
import warnings

import diffusers.pipelines.pixart_alpha.pipeline_pixart_alpha as pixart
from bs4 import BeautifulSoup

import tokenizer_text as text

CAPTIONS = ["", " ", "A Fox", "  A  Fox \n jumps ", "a fox, an owl,a dragon.It flies",
            "a cat+dog%20and%2Ffriends %zz %e2%82%ac %ff%fe %C3", "caf%c3%a9 %f0%9f%98%80 \u00e9%c3%a9 %c3\u00a9",
            "100% real + 50%", "<person> and <PERSON>'s friend", "Look at https://example.com/a/b?c=d now",
            "http:// www:example www.example.org/x-y_z/ rest", "mail me@example.com or see example.co.uk/page",
            "ftp.example.net, foo.edu@bar", "https:///x https:a", "a <b>bold</b> <i>fox</i>", "<p>one</p><p>two</p>",
            "x<br>y<br/>z<br />w</br>v", "<div>  <span>a</span>  <span>b</span>\n</div>", "<pre>  \n </pre>a<pre> x </pre>",
            "<textarea> </textarea> b", "a<script>alert('<b>')</script>b", "a<style>p { x: y }</style>b", "<script>no end",
            "a<script/>b</script>c", "<template>hidden</template>shown", "<ruby>kan<rp>(</rp><rt>ji</rt><rp>)</rp></ruby>",
            "<rt>a<b>c</rt>d</b>e", "a <!-- comment --> b", "a <!-- open", "a <!---> b --> c", "a <!doctype html> b",
            "a <!doctype", "a <?php echo ?> b", "a <? open", "a <! odd > b", "a <! odd", "</> a </ b> c </b", "a </", "a <",
            "a < b > c", "1 < 2 and 3 > 2", "a <3 heart", "<", "<a", "<a href", "<a href=\"x>y\">link</a>",
            "<a href='x' b=c d>e", "<a href=x/y>z</a>", "<a\"b>c", "<a =b>c", "<a b==c>d", "<a/b/c>d", "<a / >b",
            "<a b='>c", "<img src=x>text</img>more", "<img/></img>a", "<hr></hr></hr>x", "<a<b>c", "<a b<c>d", "a<b/>c",
            "<b>unclosed", "</b>never opened", "<\u00e9>x", "<x\u00e9 y>z", "<a\u00a0b>c", "<a b=\u2003c>d",
            "<title>t</title>", "fish &amp; chips", "a &lt;b&gt; c", "&quot;quoted&quot; &quot",
            "&copy; 2020 &reg &euro;5 &nosuch; &nosuch", "&eacute;&Eacute;&eacute", "&#65;&#x41;&#65", "&#8217;s",
            "&#0; &#128; &#x80; &#150; &#xd800; &#1114112; &#99999999999;", "&#65a &#xg; x", "&#; <b>a</b>",
            "&#; <b>a</b> &#; <i>b</i>", "&", "a &", "&a", "&ab", "&a.", "&ab-", "&amp", "&amp.",
            "&notit; &not;it &notin; &notinx", "&fjlig; &NotEqualTilde; &nvlt;", "&amp;lt;b&amp;gt;", "&amp;amp;amp; x",
            "&acE; &ace;", "&frac12; cup &deg;c", "&hellip;&mdash;&ndash;", "&nbsp;a&nbsp;", "&zwj;&zwnj;&shy;",
            "&#x1f600;", "&LT;&GT", "&ltimes; &lt5", "follow @nick_name99 and @\u00e9t\u00e9!", "@ alone a@b",
            "\u4e00\u4e8c fox \u3300\u31c0\u3220\u3400\u4dc0", "\u2014 dash \u2013 and \u2012\u2010\u30a0\ufe58 \u301c",
            "\u00absaid\u00bb \u201cshe\u201d \u2018he\u2019 `x\u00b4 \u00a8", "192.168.10.1 and 1.2.3.4.5", "at 1:23 ",
            "at 1:23", "ratio 4:35\n", "line\\nbreak \\n\\n", "#1 #12 #123 #1234 #12345 #123456a",
            "1234567 123456 12345 a1234567", "my picture.png and dir/file.jpeg or x.pdf.mp4z .png",
            "\"\"\"SALE\"\"\" ''a'' \"'b", "wait... what.. ok.", "***SALE*** [50% off] {a|b} c/d\\e ~f~ #tag",
            "\u00a1hola! \u00bfque? 1\u00bd \u00ba \u00b7 \u2122\u00ae\u00a9\u2022\u00a7", "a . b .c. d",
            "this-is-my-cute-cat", "one-two three_four", "a_b_c_d_e", "a-b-c-d",
            "jc6640 jc6640vc 6640vc231 abc123 abcd123 ab12 a1b2c3d4 x1y",
            "worldwide free shipping! free shipping worldwide  shipping", "free download free, download now downloads",
            "click for more click on this click me", "a png image, jpg images webp epson pdf", "page 12 page  3 pages 4",
            "j2d1a2a and a1a1", "1920x1080 10.5x20 3\u00d74 5\u0445 6 7.x8", "a : b  :  c:d : ",
            "one,two.three/four 1.5 a.b", "'quoted text'", "\"quoted\"", "\"a\" and \"b\"", "_a_", "-a-", ":a:", ";a;",
            ".hidden", ".hidden file", "+a+", "',a,'",
            "\u0130STANBUL \u03a3\u0391\u03a3 \u03a3 \u0391\u03a3. \u0391\u03a3' \u0391\u03a3\u0301 \u0391.\u03a3",
            "\u1e9e \u01c5 \u2160 \u24b6 \u212a\u2126",
            "\u00c9T\u00c9 \u0410\u0411 \u10a0 \u13a0 \u1c90 \U00010400",
            "\u001ca\u001f b\u0085c\u00a0d\u180ee\u200bf\u3000g", "\u2028a\u2029", "tab\there", "a\rb\r\nc",
            "\u0663\u0664:\u0661\u0662 \u0661\u0662\u0663\u0664\u0665\u0666\u0667 #\u0661",
            "\u00b2\u00b3 x\u00b2 \u00bd\u2460 @\u2460\u00b2", "e\u0301a 123456\u0301 \u0301123456 a\u0301@b", "@e\u0301x",
            "a\u203fb page\u203f1", "\U0001f600\U0001f468\u200d\U0001f469", "\u05d0\u05d1 12:34 \u0627\u0628",
            "http://\u00e9xample.com", "caf\u00e9.com/x", "a.comb a.com b.com/ c.org@d e.it/f-g/", "co.co.co", "-.com",
            "..com", "a..com.", "&#60;b&#62;bold&#60;/b&#62;", "%3cb%3ebold%3c/b%3e", "%2520 %2b+ %252b", "<b%20c>d",
            "&%23 65;", "a%00b", "x" * 300, "a b " * 100, "a." * 60, "#" * 50 + "a", "(((((best quality)))))",
            "masterpiece, 8k, uhd, trending on artstation",
            "An oil painting of a lighthouse in a storm, dramatic light, by J.M.W. Turner (1840)",
            "portrait of Dr. Smith, M.D.,PhD", "3d render;octane | unreal engine 5 -- v 5.2 --ar 16:9"]

PIECES = ["<b>", "</b>", "<br>", "<a href=x>", "<a b='c'", "<script>", "</script>", "<style>", "<!-- ", "-->",
          "<!doctype x>", "<?x?>", "</>", "<", ">", "&", "&amp;", "&lt", "&eacute;", "&#65;", "&#x41", "&#;", "&notit;",
          "%20", "%c3%a9", "%e2%82", "+", "http://x.com/a", "www.a.org", "@nick", ".png", "x.jpg", "page 3", "1234567",
          "#12", "a1b2c3", "12x34", "free", "download", "shipping", "click on x", " ", "  ", "\n", "\t", " : ", " . ", "..",
          "\"", "'", "''", "-", "_", "--", ",", ";", "/", "\\n", "1:23 ", "1.2.3.4", "\u4e00", "\u2014", "\u00ab", "\u00e9",
          "\u0301", "\u03a3", "\u0130", "\u00a0", "\u3000", "\u00bd", "\u2122", "\u0445", "\U0001f600", "fox", "an", "Owl",
          "DRAGON", "a", "b", "3", "42", "<pre>", "</pre>", "<rt>", "</rt>", "<img/>", "<p>", "</p>", "&quot;", "&nbsp;",
          "&copy", "<person>"]


def cases(n=320, seed=3):
    rand = random.Random(seed)
    out = CAPTIONS + text.SENTENCES
    while len(out) < n:
        out = out + ["".join(rand.choice(PIECES) for _ in range(rand.randrange(2, 16)))]
    return out


def pipeline():
    warnings.simplefilter("ignore")
    pixart.is_bs4_available = pixart.is_ftfy_available = lambda: True
    pixart.ftfy = types.SimpleNamespace(fix_text=lambda caption: caption)
    pixart.BeautifulSoup = BeautifulSoup
    return object.__new__(pixart.PixArtAlphaPipeline)


def process(pipe, caption):
    """Both results; what the reference fails on (%00 gives it a character that ends a string here) is not a case."""
    clean = pipe._text_preprocessing(caption, clean_caption=True)[0]
    return [caption, clean, pipe._text_preprocessing(caption, clean_caption=False)[0]]


def main():
    pipe = pipeline()
    done = [process(pipe, caption) for caption in cases()]
    done = [case for case in done if "\0" not in case[1]]
    path = pathlib.Path(__file__).resolve().parent / "captions.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in done) + "\n]\n")
    print("%d captions" % len(done))


if __name__ == "__main__":
    main()
