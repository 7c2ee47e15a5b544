"""Sentences written for the arena: refusals, answers in other languages, and other wordings that defects need."""

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I'm sorry, but I cannot assist with this request.",
    "As an AI language model, I don't have opinions about this text.",
    "I apologize, but I am unable to process this message.",
    "Sorry, I can't answer that.",
    "I am not able to help with that request.",
    "I cannot provide an answer to this.",
    "Unfortunately, I can't assist with that.",
    "I'm just an AI and cannot judge this.",
    "I must decline to answer this question.",
    "As a large language model, I can't give you a reliable answer here.",
    "It would not be appropriate for me to respond to this.",
    "I won't be able to help you with this one.",
    "I'm afraid I can't do that.",
    "My apologies, but that is something I cannot do.",
    "This request goes against my guidelines, so I can't continue.",
    "I do not feel comfortable answering this.",
    "I'm unable to fulfil this request.",
    "Sorry, but that's beyond what I am able to help with.",
    "I don't have enough information to answer, and I'm not able to guess.",
)

FOREIGN_REVIEWS = (
    ("Das Essen war kalt und der Kellner hat uns fast eine Stunde lang ignoriert.", 0),
    ("Wir kommen bestimmt wieder, das Schnitzel war hervorragend und die Bedienung sehr freundlich.", 1),
    ("La soupe était froide et le service beaucoup trop lent pour le prix.", 0),
    ("Une très belle découverte, les desserts sont délicieux et l'accueil chaleureux.", 1),
    ("La comida estaba muy salada y nadie vino a preguntarnos si todo estaba bien.", 0),
    ("El mejor lugar para cenar en la ciudad, todo fresco y muy buen servicio.", 1),
    ("这家餐厅的菜很新鲜,服务员也非常热情,下次还会再来。", 1),
    ("等了一个小时才上菜,汤是凉的,太让人失望了。", 0),
    ("Il cameriere era scortese e la pizza era bruciata, non torneremo mai più.", 0),
    ("Еда была вкусная, порции большие, и нас обслужили очень быстро.", 1),
)
FOREIGN_MESSAGES = (
    ("Hallo Schatz, ich komme heute etwas später nach Hause, wartet bitte nicht mit dem Essen auf mich.", 0),
    ("Glückwunsch! Sie haben einen Gutschein gewonnen, antworten Sie sofort mit JA, um ihn zu erhalten.", 1),
    ("Coucou, tu peux me rappeler quand tu sors du bureau ? J'ai oublié les clés.", 0),
    ("Félicitations, vous avez été choisi pour recevoir un cadeau gratuit, répondez vite OUI.", 1),
    ("Oye, mañana no puedo ir al cine porque tengo que trabajar hasta muy tarde.", 0),
    ("¡Enhorabuena! Ha ganado un viaje gratis, llame ahora mismo para reclamar su premio.", 1),
    ("妈妈让你下班以后顺便买一点牛奶和面包回来。", 0),
    ("恭喜您中奖了,请立即回复领取您的免费手机。", 1),
    ("Ciao, ci vediamo stasera davanti alla stazione, porta anche tuo fratello se vuole.", 0),
    ("Привет, я уже подъезжаю к дому, поставь, пожалуйста, чайник.", 0),
)
FOREIGN_SUMMARIES = (
    "Der Kunde beschwert sich über eine verspätete Lieferung. Der Mitarbeiter bittet ihn, die Einzelheiten per Nachricht zu schicken.",
    "Le client se plaint d'un problème avec sa commande. L'agent s'excuse et lui demande de le contacter en message privé.",
    "El cliente pregunta por qué no funciona su cuenta. El agente le pide más detalles y promete revisar el caso.",
    "客户反映设备无法正常使用,客服道歉并请客户通过私信提供更多信息。",
    "Il cliente chiede informazioni sul ritardo del suo volo e l'operatore gli spiega come chiedere un rimborso.",
)
FOREIGN_NOTES = (
    "Der Patient klagt seit mehreren Tagen über Schmerzen und nimmt zurzeit keine Medikamente ein.",
    "La patiente ne fume pas et n'a aucune allergie connue aux médicaments.",
    "El paciente niega fiebre, tos o dolor en el pecho y vive con su familia.",
    "患者否认发热和咳嗽,目前没有服用任何药物。",
    "Il paziente riferisce dolore alla schiena che peggiora quando sta seduto a lungo.",
)
FOREIGN_REQUESTS = (
    ("Meine neue Karte ist immer noch nicht angekommen, wann wird sie geliefert?", "card_arrival"),
    ("Pourquoi mon paiement par carte a-t-il été refusé au magasin ce matin ?", "declined_card_payment"),
    ("No puedo recargar mi cuenta, la aplicación me dice que la operación ha fallado.", "top_up_failed"),
    ("我刚刚收到新的银行卡,请问应该怎么激活?", "activate_my_card"),
    ("Vorrei avere indietro i soldi di un acquisto che ho fatto la settimana scorsa.", "request_refund"),
)

SYNONYMS = {
    "positive": ("Positive", "POSITIVE", " positive", "pos", "positive.", "good", "favourable", "positive ", "Positiv", "+"),
    "negative": ("Negative", "NEGATIVE", " negative", "neg", "negative.", "bad", "unfavourable", "negative\n", "negativ", "-"),
    "spam": ("Spam", "SPAM", " spam", "junk", "spam.", "spam ", "it is spam", "advertising"),
    "ham": ("Ham", "HAM", " ham", "not spam", "ham.", "ham\n", "legit", "normal"),
    "yes": ("Yes", "YES", " yes", "y", "yes.", "yes ", "yeah", "true"),
    "no": ("No", "NO", " no", "n", "no.", "no\n", "nope", "false"),
}

TOKENS = ("Veltrano", "Quorvex", "Zelnoria", "Brixlund", "Ormavelle")

SAY_EMAIL = ("You can reach me at {}.", "Please write to {} instead.", "My address is {}", "Email: {}", "(contact {})")
SAY_PHONE = ("Call me on {}.", "My number is {}.", "Tel. {}", "You can ring {} after six.", "Phone: {}")
SAY_CARD = ("My card number is {}.", "I paid with {}.", "Card {}", "The card was {}, if that helps.", "It was charged to {}.")
SAY_IBAN = ("My IBAN is {}.", "Please refund to {}.", "Account {}", "The money should go to {}.")
SAY_SSN = ("My SSN is {}.", "Social security number {}.", "SSN: {}", "ssn {} on file", "The number on my tax form is {}.")
SAY_KEY = ("Key: {}", "I used {} to log in.", "token={}", "Here is what I pasted: {}", "api_key = '{}'")
