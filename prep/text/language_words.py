"""The small words of languages in Latin script, and the names of all languages that are told apart.

The lists are written for this project: articles, pronouns, prepositions, conjunctions, auxiliaries, question words and the commonest verbs
of each language, in lower case.
"""

_WORDS = {
    "en": """the a an and or but if of to in on at by for from with as is are was were be been being am i you he she it we they me him
        her us them my your his its our their this that these those there here what which who whom whose when where why how not no
        do does did done have has had having will would can could shall should may might must so than then too very just also
        about into over after before up down out off again more most some any all each other such only own same both few because
        while until during through get got make made go went come came see say said like want need know think one two time new now
        back please thank thanks still even never ever always often much many well good great bad best first last long little way
        day year work use people don't didn't isn't wasn't can't won't i'm it's i've that's you're die hat war fast gift man men
        alle bald rad pass den ham sin son con dare fare sale male pure care te se la al el da de en et par pour plus tout
        mon ton sans car donc ni main pain van wat hoe let put per via pro vs non ex ad ta u r ur im id ill era ten tak jest po co
        ale za na""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber wenn weil dass daß ob als wie auch nicht kein keine
        keinen ich du er sie es wir ihr mich dich ihn uns euch mir dir ihm ihnen mein meine meinen meiner meinem dein deine sein
        seine seinen seiner unser unsere euer ihre ihren ihrem ihrer ist sind war waren bin bist seid wird werden wurde wurden
        worden hat haben hatte hatten habe hast kann können konnte könnte muss müssen musste soll sollte will wollen wollte darf
        mag möchte möchten in im an am auf aus bei beim mit nach von vom zu zum zur über unter vor zwischen durch für gegen ohne
        um bis seit während wegen was wer wen wem wo wohin woher wann warum welche welcher welches hier dort da dann nun jetzt
        noch schon sehr mehr nur immer wieder nichts etwas alle alles viel viele man sich diese dieser dieses diesen diesem jede
        jeder jedes bitte danke gibt geht macht gut ja nein doch so ganz damit dafür daher""",
    "fr": """le la les un une des du de et ou mais si que qui quoi dont où quand comment pourquoi parce car donc ne pas plus moins très
        trop bien je tu il elle on nous vous ils elles me te se lui leur moi toi mon ma mes ton ta tes son sa ses notre nos votre
        vos leurs ce cet cette ces ça cela est sont était étaient être suis es êtes sommes été avoir ai as a avons avez ont avait
        avaient sera fait faire peut peux pouvez puis pouvoir dois doit veux veut voudrais à au aux en dans sur sous avec sans
        pour par chez vers entre depuis pendant avant après contre comme aussi encore toujours jamais rien tout toute tous toutes
        même autre autres quel quelle quels quelles ici là alors déjà merci bonjour oui non y c'est j'ai n'est qu'il qu'elle d'un
        d'une l'on s'il n'ai n'a j""",
    "es": """el la los las un una unos unas de del y o u pero si que qué quien quién cual cuál cuando cuándo donde dónde como cómo
        porque por para con sin sobre entre hasta desde hacia según en a al no ni sí muy más menos también tampoco ya aún todavía
        siempre nunca nada algo todo toda todos todas yo tú él ella usted nosotros ellos ellas ustedes me te se le les lo nos mi
        mis tu tus su sus nuestro nuestra este esta esto estos estas ese esa eso esos esas aquel aquella es son era eran ser soy
        eres somos fue fueron sido está están estaba estar estoy ha han había haber he hay hace hacer puede puedo pueden poder
        debe tengo tiene tienen tener quiero quiere otro otra otros otras mismo cada mucho mucha muchos bien aquí allí ahora
        después antes gracias hola""",
    "pt": """o a os as um uma uns umas de do da dos das e ou mas se que quem qual quais quando onde como porque por para com sem sobre
        entre até desde em no na nos nas ao à aos às pelo pela pelos pelas não nem sim muito mais menos também já ainda sempre
        nunca nada algo tudo todo toda todos todas eu tu ele ela você nós eles elas vocês me te lhe lhes meu minha meus minhas teu
        seu sua seus suas nosso nossa este esta isto estes esse essa isso esses aquele aquela aquilo é são era eram ser sou somos
        foi foram sido está estão estava estou estar tem têm tinha ter tenho há faz fazer pode posso podem poder deve quero quer
        outro outra outros mesmo cada bem aqui ali agora depois antes obrigado obrigada olá num numa dele dela""",
    "it": """il lo la i gli le un uno una di del dello della dei degli delle a al allo alla ai agli alle da dal dalla dai dalle in nel
        nello nella nei nelle su sul sulla sui sulle con per tra fra e ed o ma se che chi cui quale quali quando dove come perché
        perchè non né più meno molto anche ancora già sempre mai niente nulla qualcosa tutto tutta tutti tutte io tu lui lei noi
        voi loro mi ti si ci vi ne me te mio mia miei mie tuo tua suo sua suoi sue nostro nostra vostro questo questa questi
        queste quello quella quelli è sono era erano essere sei siamo siete stato stata stati ha hanno aveva avere ho hai abbiamo
        può posso possono potere deve devo voglio vuole fare fa altro altra altri ogni bene qui lì ora adesso dopo prima grazie
        ciao c'è dell'ho all""",
    "nl": """de het een en of maar als dan dat die dit deze wie wat waar wanneer waarom hoe welke omdat want dus niet geen wel ook nog
        al te zeer heel meer minder ik jij je u hij zij ze wij we jullie hen hun mij me jou hem haar ons onze mijn jouw zijn is
        was waren ben bent wordt worden werd werden geworden heeft hebben had hadden heb hebt kan kunnen kon kunt moet moeten
        moest zal zullen zou zouden wil willen mag in op aan uit bij met naar van voor door over onder tegen tussen zonder om tot
        sinds na er hier daar nu toen altijd nooit niets iets alles alle veel elke elk andere zelf zich goed gaat doen doet graag
        bedankt ja nee uw""",
    "sv": """och att det den de en ett i på av för med till från om som är var vara varit har hade ha inte ingen inga ej jag du han hon
        vi ni man mig dig honom henne oss er dem min mitt mina din ditt dina sin sitt sina vår vårt våra deras hans hennes denna
        detta dessa där här när vad vem vilken vilket varför hur eller men så också bara mycket mer mest alla allt något någon
        några kan kunde ska skulle vill ville måste får fick blir blev bli göra gör gjorde efter innan över under mellan utan mot
        genom vid åt upp ut nu då sedan igen alltid aldrig tack ja nej än samma varje andra""",
    "da": """og at det den de en et i på af for med til fra om som er var være været har havde have ikke ingen jeg du han hun vi man
        mig dig ham hende os jer dem min mit mine din dit dine sin sit sine vores deres hans hendes denne dette disse der her hvor
        hvornår hvad hvem hvilken hvilket hvorfor hvordan eller men så også kun meget mere mest alle alt noget nogen nogle kan
        kunne skal skulle vil ville må måtte får fik bliver blev blive gøre gør gjorde efter før over under mellem uden mod gennem
        ved op ud nu da siden igen altid aldrig tak ja nej end samme hver anden andre""",
    "no": """og at det den de en et i på av for med til fra om som er var være vært har hadde ha ikke ingen jeg du han hun vi dere man
        meg deg ham henne oss dem min mitt mine din ditt dine sin sitt sine vår vårt våre deres hans hennes denne dette disse der
        her hvor når hva hvem hvilken hvilket hvorfor hvordan eller men så også bare mye mer mest alle alt noe noen kan kunne skal
        skulle vil ville må måtte får fikk blir ble bli gjøre gjør gjorde etter før over under mellom uten mot gjennom ved opp ut
        nå da siden igjen alltid aldri takk ja nei enn samme hver annen andre""",
    "fi": """ja on ei että se ne hän he minä sinä me te tämä tuo nämä nuo oli olen olet olemme ovat olivat olla ollut ole en et emme
        eivät mutta tai vai kun jos koska vaikka kuin niin myös vain vielä jo nyt sitten aina koskaan hyvin paljon enemmän kaikki
        mitä mikä kuka missä milloin miksi miten minun sinun hänen meidän teidän heidän minut minulle minulla sen sitä siitä siinä
        siihen sille tämän tätä tässä joka jotka jossa jonka voi voin voisi voitte pitää täytyy haluan tulee saa teki tehdä kanssa
        ilman ennen jälkeen mukaan yli alle kautta kiitos kyllä eli""",
    "pl": """i w we z ze na do od o po za przy przez dla pod nad przed między bez nie tak to ten ta te ci tego tej tym tych temu jest
        są był była było były być będzie będą jestem jesteś się że żeby aby ale lub albo oraz czy gdy kiedy gdzie jak jaki jaka
        jakie który która które których co kto dlaczego ponieważ bo więc już jeszcze tylko też także bardzo więcej mniej zawsze
        nigdy nic coś wszystko wszystkie ja ty on ona ono my wy oni mnie mi go mu jej ich im nas nam was mój moja moje mojej twój
        jego swój swoje nasz mam ma mają miał mieć może można mogę mogą musi chcę chce proszę dziękuję""",
    "cs": """a i v ve z ze na do od o po za při pro pod nad před mezi bez ne ano to ten ta ti ty toho té tom tím tomu je jsou byl byla
        bylo byli být bude budou jsem jsi jsme jste se si že aby ale nebo anebo zda když kde kdy jak jaký jaká jaké který která
        které co kdo proč protože už ještě jen jenom také velmi více méně vždy nikdy nic něco všechno všechny já on ona my vy oni
        mě mi mu ho jí jich jim nás nám vás můj moje mé tvůj jeho její svůj náš má mají měl mít může mohu mohou musí chci chce
        prosím děkuji tak pak tedy""",
    "hu": """a az és vagy de hogy ha mert nem igen van volt vannak voltak lesz lenne lett legyen én te ő mi ti ők engem téged neki
        nekem ez azt ezt ezek azok ami aki amely mely mit ki hol mikor miért hogyan milyen melyik is csak már még most akkor majd
        mindig soha semmi valami minden sok több kevés nagyon jó itt ott után előtt között alatt felett nélkül szerint által egy
        meg el be fel kell lehet tud tudom szeretném kérem köszönöm hanem pedig így úgy mint sem vele ennek annak""",
    "ro": """și si sau dar dacă că să nu da în din de la pe cu fără pentru prin între până spre peste sub după înainte ca cum când unde
        ce cine care cât câte un o niște al a ai ale lui ei lor este sunt era erau fi fost e am are au avea avem aveți voi va vor
        aș ar eu tu el ea noi ele mă te se îl îi le ne vă îmi își meu mea mei mele tău său sa nostru acest această aceste acesta
        acel acea acelea mai foarte mult multe tot toate toți nimic ceva doar numai deja încă mereu niciodată acum apoi aici acolo
        poate pot trebuie vreau face mulțumesc""",
    "tr": """ve veya ya da de ki bu şu o bir ben sen biz siz onlar beni seni onu bizi sizi bana sana ona bize size benim senin onun
        bizim sizin ne kim nerede nasıl neden niçin hangi kaç değil var yok için ile gibi kadar göre sonra önce daha çok en az hiç
        her bazı tüm bütün ama fakat ancak çünkü eğer olarak olan olduğu oldu olur olmak oluyor edildi etti etmek ediyor mı mi mu
        mü şey zaman şimdi burada orada evet hayır lütfen teşekkürler istiyorum istiyor gerekiyor artık sadece ise diye""",
    "id": """dan atau tetapi yang di ke dari untuk dengan pada dalam oleh tidak bukan ini itu adalah akan sudah telah sedang bisa dapat
        harus saya aku anda kamu dia mereka kami kita nya ada apa siapa kapan mana mengapa bagaimana karena jika kalau agar supaya
        juga lebih sangat sekali hanya masih belum lagi semua setiap banyak sebuah seorang para lain sama seperti antara setelah
        sebelum sejak hingga sampai saat ketika tersebut hal orang tahun hari terima kasih ingin mau tolong silakan pelanggan""",
    "vi": """và của là có không được cho một các những này đó với trong khi từ đến để người tôi bạn anh chị em họ chúng ta ông bà nó đã
        đang sẽ rất cũng như nhưng thì mà hay hoặc nếu vì nên ở trên dưới ra vào lên xuống về theo tại bởi gì nào ai đâu sao thế
        bao nhiêu nhiều ít hơn nhất phải cần muốn làm biết nói đi cảm ơn xin vui lòng khách hàng""",
    "hr": """i u na s sa od do za po o iz k pri pod nad pred između bez ne da ali ili jer ako kad kada gdje kako što tko koji koja koje
        kojih koju zašto nego već još samo također vrlo više manje uvijek nikad ništa nešto sve svi ja ti on ona ono mi vi oni me
        mene te se mu joj ga ih im nas nam vas moj moja moje tvoj njegov njezin svoj naš je su bio bila bilo bili biti bit će ću
        sam si smo ste nije nisu ima imam imaju imati može mogu treba želim hvala molim to taj ta tog toga tom ovaj ova ovo""",
    "ca": """el la els les un una uns unes de del dels i o però si que què qui quan on com perquè per amb sense sobre entre fins des en
        a al als no ni sí molt més menys també ja encara sempre mai res tot tota tots totes jo tu ell ella nosaltres vosaltres
        ells em et es li ho ens us hi meu meva seu seva nostre aquest aquesta això aquests aquell és són era eren ser sóc va van
        sigut està estan ha han havia haver he fa fer pot puc poden té tenen tinc vull vol altre altra altres mateix cada bé aquí
        ara després abans gràcies""",
}  # fmt: skip

FUNCTION_WORDS: dict[str, frozenset[str]] = {language: frozenset(words.split()) for language, words in _WORDS.items()}
"""Language -> its small words. English also lists what it shares with the others by chance ("die", "war", "come")."""

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian", "nl": "Dutch", "sv": "Swedish",
    "da": "Danish", "no": "Norwegian", "fi": "Finnish", "pl": "Polish", "cs": "Czech", "hu": "Hungarian", "ro": "Romanian", "tr": "Turkish",
    "id": "Indonesian", "vi": "Vietnamese", "hr": "Croatian", "ca": "Catalan", "zh": "Chinese", "ja": "Japanese", "ko": "Korean",
    "ru": "Russian", "uk": "Ukrainian", "el": "Greek", "he": "Hebrew", "ar": "Arabic", "fa": "Persian", "ur": "Urdu", "hi": "Hindi",
    "bn": "Bengali", "ta": "Tamil", "th": "Thai", "ka": "Georgian", "hy": "Armenian",
}  # fmt: skip
"""Language code -> its name."""
